// Sends one upload. Uses XMLHttpRequest, because fetch does not report upload progress.

// Resolves with the HTML of the result. Rejects with an Error that has a message for the reader.
export function send(address, data, { signal, onProgress }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => onProgress(event.loaded / event.total));
    request.addEventListener("load", () => {
      if (request.response?.html) resolve(request.response.html);
      else reject(new Error(request.response?.error ?? unexplained(request.status)));
    });
    request.addEventListener("error", () => {
      reject(new Error("The connection failed. Try again."));
    });
    request.addEventListener("abort", () => reject(signal.reason));
    signal.addEventListener("abort", () => request.abort());
    request.send(data);
  });
}

function unexplained(status) {
  if (status === 403) return "This page was open for too long. Reload it and try again.";
  return `The server sent an unexpected answer (status ${status}). Try again in a minute.`;
}
