// The page's calls to the program; an error the server explains becomes an ActionError.

export class ActionError extends Error {
  constructor({ message, code }) {
    super(message);
    this.code = code;
  }
}

export function callsTo(server) {
  return async (name, values = {}) => {
    let answer;
    try {
      answer = await server[name](values);
    } catch {
      throw new ActionError({ message: "Parlor does not answer. Is it still running?", code: "unreachable" });
    }
    if (answer?.error) throw new ActionError(answer.error);
    return answer;
  };
}
