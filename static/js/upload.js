// Makes forms with data-upload caption each photograph as soon as it is chosen, dropped, pasted or
// taken, in a row of its own. Without scripts, the form sends one photograph and loads a page.

import { rememberOptions } from "./options.js";
import { createQueue } from "./queue.js";
import { createRow } from "./row.js";
import { send } from "./sending.js";
import { listenForFiles } from "./sources.js";

// The server captions one photograph at a time; the next can upload meanwhile.
const UPLOADS_AT_ONCE = 2;

function enhance(form) {
  const input = form.querySelector("input[type=file]");
  const rows = document.querySelector("[data-rows]");
  const template = document.querySelector("template[data-row]");
  const announcements = document.querySelector("[data-announcements]");
  const enqueue = createQueue(UPLOADS_AT_ONCE);

  function upload(file, { onStart, ...options }) {
    return enqueue(() => {
      onStart();
      const data = new FormData(form);
      data.set(input.name, file);
      return send(form.action, data, options);
    }, options.signal);
  }

  function announce(message) {
    announcements.textContent = message;
  }

  function take(files) {
    const created = files.map((file) => createRow(template, file, { upload, announce }));
    rows.prepend(...created.map(({ element }) => element));
    created.forEach(({ start }) => start());
    created[0].element.scrollIntoView({ block: "nearest" });
  }

  form.querySelector("[type=submit]").hidden = true;
  form.querySelector("[data-hint]").hidden = false;
  rememberOptions(form.querySelector("[data-options]"));
  listenForFiles(form, take);
}

document.querySelectorAll("form[data-upload]").forEach(enhance);
