// Files sent as they are: fetch() does not tell how much of a body has gone.

import { ActionError } from "./server.js";

// `onProgress(sent, all)` in bytes. `answer` is what the program says; a cancelled one fails with the code "cancelled".
export function sendFile(address, file, onProgress) {
  const request = new XMLHttpRequest();
  const answer = new Promise((resolve, reject) => {
    request.open("PUT", address);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = ({ loaded, total }) => onProgress(loaded, total);
    request.onload = () => (request.status === 200 ? resolve(JSON.parse(request.responseText)) : reject(refusalOf(request)));
    request.onerror = () => reject(new ActionError({ message: "The file could not be sent. Is Parlor still running?", code: "unreachable" }));
    request.onabort = () => reject(new ActionError({ message: "", code: "cancelled" }));
    request.send(file);
  });
  return { answer, cancel: () => request.abort() };
}

function refusalOf({ status, responseText }) {
  try {
    const { message, code, param } = JSON.parse(responseText).error;
    return new ActionError({ message, code, field: param });
  } catch {
    return new ActionError({ message: `The file was refused (status ${status}).` });
  }
}
