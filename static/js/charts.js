// [data-png] buttons: the chart's SVG file drawn by the browser and saved as PNG. Hidden without JavaScript.
(() => {
  const SCALE = 2;

  const drawn = (url) =>
    new Promise((resolve, reject) => {
      const image = new Image();
      image.onload = () => resolve(image);
      image.onerror = () => reject(new Error("The chart could not be loaded."));
      image.src = url;
    });

  const save = async (button) => {
    const image = await drawn(button.dataset.png);
    const canvas = document.createElement("canvas");
    canvas.width = image.naturalWidth * SCALE;
    canvas.height = image.naturalHeight * SCALE;
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = button.dataset.name;
    link.click();
    URL.revokeObjectURL(link.href);
  };

  document.addEventListener("DOMContentLoaded", () => {
    for (const button of document.querySelectorAll("[data-png]")) {
      button.hidden = false;
      button.addEventListener("click", () =>
        save(button).catch((error) => {
          document.getElementById("announce").textContent = error.message;
        }),
      );
    }
  });
})();
