// Files that are dragged onto the form, folders among them, and the folders that names stand in:
// an upload loses those, so they are sent beside it.
(() => {
  const form = document.querySelector("[data-import]");
  if (!form) return;
  const files = form.querySelector("#files");
  const folder = form.querySelector("#folder");
  const chosen = form.querySelector("[data-chosen]");
  const MOST = 5000;
  let dropped = null; // the paths of what `files` holds, once something was dragged there

  const all = () => [...files.files, ...folder.files];
  const pathsOf = (input) => [...input.files].map((file) => file.webkitRelativePath || file.name);
  const show = () => {
    const bytes = all().reduce((sum, file) => sum + file.size, 0);
    const count = all().length;
    const most = count > MOST ? ` At most ${MOST} can be sent at a time: bring a zip.` : "";
    chosen.textContent = count
      ? `${count} file${count === 1 ? "" : "s"}, ${(bytes / 2 ** 20).toFixed(1)} MB.${most}` : "";
  };

  const readAll = async (entry, path, found) => {
    if (entry.isFile) {
      const file = await new Promise((done, fail) => { entry.file(done, fail); });
      found.push([file, path + file.name]);
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      // A folder tells its entries in parts.
      const part = await new Promise((done, fail) => { reader.readEntries(done, fail); });
      if (!part.length) return;
      for (const inner of part) await readAll(inner, `${path}${entry.name}/`, found);
    }
  };

  form.addEventListener("dragover", (event) => {
    event.preventDefault();
    form.classList.add("dropping");
  });
  for (const name of ["dragleave", "drop"]) {
    form.addEventListener(name, () => { form.classList.remove("dropping"); });
  }
  form.addEventListener("drop", async (event) => {
    event.preventDefault();
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const plain = [...event.dataTransfer.files];
    const found = [];
    try {
      for (const entry of entries) await readAll(entry, "", found);
    } catch {
      chosen.textContent = "A folder could not be read. Choose it below instead.";
      return;
    }
    const bundle = new DataTransfer();
    const before = dropped || pathsOf(files);
    const more = entries.length ? found : plain.map((file) => [file, file.name]);
    for (const file of [...files.files, ...more.map(([file]) => file)]) bundle.items.add(file);
    files.files = bundle.files;
    dropped = [...before, ...more.map(([, path]) => path)];
    show();
  });
  files.addEventListener("change", () => { dropped = null; show(); });
  folder.addEventListener("change", show);
  form.addEventListener("submit", () => {
    form.elements.namedItem("paths").value = JSON.stringify([...(dropped || pathsOf(files)), ...pathsOf(folder)]);
  });
})();
