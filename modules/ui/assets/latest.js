// What is asked again before it is answered: an answer that comes late is not shown, and whoever waits for it waits for
// the newest.

export class Latest {
  // `ask` promises an answer, `take` is handed the newest, `fail` what kept one from coming.
  constructor({ ask, take, fail }) {
    Object.assign(this, { ask, take, fail });
  }

  refresh() {
    this.turn = {};
    this.newest = this.answered(this.turn);
    return this.newest;
  }

  async answered(turn) {
    try {
      const answer = await this.ask();
      if (turn !== this.turn) return this.newest;
      this.take(answer);
    } catch (error) {
      this.fail(error);
    }
  }
}
