// Names the handles of sliders for screen readers, which ipywidgets does not. It runs once in each
// page.
if (!window.mnistSliders) {
  window.mnistSliders = true;
  const unnamed = ":is(.mnist-pad, .mnist-studio) .noUi-handle:not([aria-label])";

  const nameHandle = (handle) => {
    const slider = handle.closest(".widget-inline-hbox");
    const label = slider.querySelector(".widget-label").textContent;
    const isRange = slider.querySelectorAll(".noUi-handle").length > 1;
    const end = handle.classList.contains("noUi-handle-upper") ? "to" : "from";
    handle.setAttribute("aria-label", isRange ? `${label}, ${end}` : label);
  };

  const nameHandles = () => document.querySelectorAll(unnamed).forEach(nameHandle);
  const observer = new window.MutationObserver(nameHandles);
  observer.observe(document.body, { childList: true, subtree: true });
  nameHandles();
}
