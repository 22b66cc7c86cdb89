// Limits how many asynchronous tasks run at once; the others wait in a queue.

export function createQueue(limit) {
  const waiting = [];
  let free = limit;

  // Runs the task when a place is free, unless the signal was aborted before that.
  return async function enqueue(task, signal) {
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
