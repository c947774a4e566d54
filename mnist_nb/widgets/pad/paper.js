// What a page does for the pad's paper and ipycanvas does not. It begins once in each page.
if (!window.mnistPaper) {
  window.mnistPaper = true;
  const patience = 2000; // milliseconds until a silent kernel is mentioned
  let pressed = null; // the paper on which the mouse button went down

  const listen = (kind, handle) => document.addEventListener(kind, handle, true);
  const paperOf = (event) => event.target.closest?.(".pad-sheet canvas");

  // The kernel answers a press with a new notice, which is hidden. An old one that is still there
  // has not been answered.
  const awaitAnswer = (paper) => {
    const notice = paper.closest(".pad-sheet").querySelector(".pad-busy");
    window.setTimeout(() => { notice.hidden = false; }, patience);
  };

  // Outside of the paper a stroke goes on: Python moves its points to the rim.
  const pass = (kind, { clientX, clientY, buttons }) =>
    pressed.dispatchEvent(new MouseEvent(kind, { clientX, clientY, buttons }));

  listen("mousedown", (event) => {
    pressed = paperOf(event);
    if (!pressed) return;
    event.preventDefault(); // or JupyterLab takes moves with Shift held for a selection of cells
    awaitAnswer(pressed);
  });
  listen("mousemove", (event) => {
    if (!pressed || event.target === pressed) return;
    pass(event.buttons & 1 ? "mousemove" : "mouseup", event);
  });
  listen("mouseup", (event) => {
    if (pressed && event.target !== pressed) pass("mouseup", event);
    pressed = null;
  });
  listen("mouseout", (event) => {
    if (event.target === pressed && event.buttons & 1) event.stopPropagation();
  });
  listen("touchstart", (event) => {
    const paper = paperOf(event);
    if (paper && event.touches.length === 1) awaitAnswer(paper); // a second finger draws nothing
  });
  listen("wheel", (event) => {
    const canvas = event.target.closest?.(".mnist-pad canvas"); // also one that is no paper
    if (canvas) event.stopPropagation(); // ipycanvas would keep the page from scrolling
  });
}
