"""Arithmetic from text, worked out over its syntax tree: nothing but numbers, operators and a few functions."""

import ast
import math
from collections.abc import Callable, Mapping
from typing import Any

MAX_CHARS = 400
MAX_DIGITS = 1000
Number = int | float

BINARY: Mapping[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: lambda left, right: left / right,
    ast.FloorDiv: lambda left, right: left // right,
    ast.Mod: lambda left, right: left % right,
}
UNARY: Mapping[type[ast.unaryop], Callable[[Number], Number]] = {
    ast.USub: lambda value: -value,
    ast.UAdd: lambda value: value,
}
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "round": round,
    "min": min,
    "max": max,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "log2": math.log2,
    "log10": math.log10,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "floor": math.floor,
    "ceil": math.ceil,
}
CONSTANTS: Mapping[str, Number] = {"pi": math.pi, "e": math.e, "tau": math.tau}


def calculate(expression: str) -> str:
    """The result as text. Raises ValueError with a sentence for what is no arithmetic, or too large."""
    if len(expression) > MAX_CHARS:
        raise ValueError(f"The expression has {len(expression)} characters; {MAX_CHARS} are the limit.")
    try:
        tree = ast.parse(expression.strip().replace("^", "**"), mode="eval")
        result = value_of(tree.body)
    except ZeroDivisionError:
        raise ValueError("This divides by zero.") from None
    except (SyntaxError, TypeError, MemoryError, RecursionError):
        raise ValueError(f"{expression!r} is no arithmetic that can be worked out.") from None
    except OverflowError:
        raise ValueError("The result is too large.") from None
    return str(result) if isinstance(result, int) else f"{result:.12g}"


def value_of(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return value
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return power(value_of(left), value_of(right))
        case ast.BinOp(left=left, op=kind, right=right) if type(kind) in BINARY:
            return bounded(BINARY[type(kind)](value_of(left), value_of(right)))
        case ast.UnaryOp(op=kind, operand=operand) if type(kind) in UNARY:
            return UNARY[type(kind)](value_of(operand))
        case ast.Name(id=name) if name in CONSTANTS:
            return CONSTANTS[name]
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
            return bounded(FUNCTIONS[name](*(value_of(one) for one in arguments)))
        case _:
            raise ValueError(f"{ast.unparse(node)!r} is no number, operator or function that is known here.")


def power(base: Number, exponent: Number) -> Number:
    """Its size is known before it is computed."""
    digits = abs(exponent) * math.log10(abs(base)) if base else 0
    if isinstance(base, int) and isinstance(exponent, int) and digits > MAX_DIGITS:
        raise OverflowError
    result = base**exponent
    if isinstance(result, complex):
        raise ValueError("The result is no real number.")
    return bounded(result)


def bounded(value: Number) -> Number:
    if isinstance(value, int) and abs(value) >= 10**MAX_DIGITS:
        raise OverflowError
    return value
