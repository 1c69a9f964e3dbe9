// Round places on an axis, and curves made smooth.

// About `count` round values within [low, high].
export function ticksOf(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((one) => one * power >= rough) * power;
  const ticks = [];
  for (let number = Math.ceil(low / step); number * step <= high; number += 1) ticks.push(Number((number * step).toPrecision(12)));
  return ticks;
}

// Powers of ten, or what lies between where they are few.
export function logTicksOf(low, high) {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const factors = last - first > 3 ? [1] : [1, 2, 5];
  const all = Array.from({ length: last - first + 1 }, (_, place) => factors.map((one) => one * 10 ** (first + place))).flat();
  const found = all.filter((value) => value >= low && value <= high);
  return found.length > 1 ? found : ticksOf(low, high, 3).filter((value) => value > 0);
}

// The exponential moving mean, without the pull towards where it begins.
export function smoothed(points, weight) {
  let [sum, known] = [0, 0];
  return points.map(([step, value]) => {
    sum = weight * sum + (1 - weight) * value;
    known = weight * known + (1 - weight);
    return [step, sum / known];
  });
}
