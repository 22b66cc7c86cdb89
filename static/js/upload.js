// Adds to forms with data-upload: dropping a file anywhere on the page, a preview of the chosen
// photograph, and a busy state while it is on its way. The form works without any of it.

function enhance(form) {
  const input = form.querySelector("input[type=file]");
  const preview = form.querySelector("[data-preview]");
  const button = form.querySelector("button");
  const progress = form.querySelector("[data-progress]");
  const buttonText = button.textContent;

  form.querySelector("[data-drop-hint]").hidden = false;

  function showPreview() {
    URL.revokeObjectURL(preview.src);
    preview.hidden = true;
    if (input.files.length > 0) preview.src = URL.createObjectURL(input.files[0]);
  }

  function setBusy(busy) {
    button.disabled = busy;
    button.textContent = busy ? "Looking at it …" : buttonText;
    progress.textContent = busy ? "The photograph is being captioned." : "";
  }

  function takeDropped(files) {
    const one = new DataTransfer();
    one.items.add(files[0]);
    input.files = one.files;
    showPreview();
    button.focus();
  }

  // Browsers do not show every format that the server reads: then there is no preview.
  preview.addEventListener("load", () => { preview.hidden = false; });
  input.addEventListener("change", showPreview);
  form.addEventListener("submit", () => setBusy(true));
  // Going back to this page shows it as it was left: busy.
  window.addEventListener("pageshow", () => setBusy(false));

  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  const root = document.documentElement;

  document.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    root.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) root.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    root.classList.remove("dropping");
    if (event.dataTransfer.files.length > 0) takeDropped(event.dataTransfer.files);
  });
}

document.querySelectorAll("form[data-upload]").forEach(enhance);
