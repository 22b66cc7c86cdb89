// Takes photographs from the file input, a phone's camera, a drop anywhere on the page, and the
// clipboard.

export function listenForFiles(form, take) {
  function takeSome(files) {
    if (files.length > 0) take([...files]);
  }

  const input = form.querySelector("input[type=file]");
  input.multiple = true;
  input.hidden = true; // it would always say "No file chosen"
  openByButton(input, form.querySelector("[data-choose]"), takeSome);
  openByButton(createCamera(), form.querySelector("[data-camera]"), takeSome);
  listenToDrops(takeSome);
  document.addEventListener("paste", (event) => takeSome(event.clipboardData.files));
}

function createCamera() {
  const camera = document.createElement("input");
  camera.type = "file";
  camera.accept = "image/*";
  camera.setAttribute("capture", "environment");
  return camera;
}

function openByButton(input, button, takeSome) {
  input.addEventListener("change", () => {
    takeSome(input.files);
    input.value = ""; // so that choosing the same file again fires a change event
  });
  button.addEventListener("click", () => input.click());
  button.hidden = false;
}

function listenToDrops(takeSome) {
  const root = document.documentElement;
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");

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
    takeSome(event.dataTransfer.files);
  });
}
