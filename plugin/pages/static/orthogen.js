"use strict";
// A chosen file goes into the form as text; its header is all that the rules look at.
const HEADER_BYTES = 8 * 1024 * 1024;

document.addEventListener("change", async (event) => {
  if (event.target.id !== "file") return;
  const [file] = event.target.files;
  const field = document.getElementById("file-base64");
  field.value = file ? asBase64(new Uint8Array(await file.slice(0, HEADER_BYTES).arrayBuffer())) : "";
});

function asBase64(bytes) {
  let text = "";
  for (let start = 0; start < bytes.length; start += 32768) {
    text += String.fromCharCode(...bytes.subarray(start, start + 32768));
  }
  return btoa(text);
}

function say(lost) {
  document.getElementById("lost").hidden = !lost;
}
document.addEventListener("htmx:sendError", () => say(true));
document.addEventListener("htmx:responseError", () => say(true));
document.addEventListener("htmx:afterOnLoad", (event) => say(event.detail.xhr.status >= 500));
