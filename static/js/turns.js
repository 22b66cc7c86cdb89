// Lets a few tasks run at the same time, and the others wait for their turn.

export function takeTurns(atOnce) {
  const waiting = [];
  let free = atOnce;

  // Runs the asynchronous task when it is its turn, unless it was aborted by then.
  return async function inTurn(task, signal) {
    if (free > 0) free -= 1;
    else await new Promise((resolve) => { waiting.push(resolve); });
    try {
      signal.throwIfAborted();
      return await task();
    } finally {
      if (waiting.length > 0) waiting.shift()();
      else free += 1;
    }
  };
}
