// Forms with data-upload: every photograph that is chosen, dropped, pasted or taken is captioned at
// once, in a row of its own. Without scripts the form sends one photograph and gets a page.

import { rememberOptions } from "./options.js";
import { createRow } from "./row.js";
import { send } from "./sending.js";
import { listenForFiles } from "./sources.js";
import { takeTurns } from "./turns.js";

// The server captions one photograph at a time: meanwhile the next one can be on its way.
const AT_ONCE = 2;

function enhance(form) {
  const input = form.querySelector("input[type=file]");
  const rows = document.querySelector("[data-rows]");
  const template = document.querySelector("template[data-row]");
  const announcements = document.querySelector("[data-announcements]");
  const inTurn = takeTurns(AT_ONCE);

  function upload(file, { onStart, ...options }) {
    return inTurn(() => {
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
