// Adds to the pad's paper what ipycanvas lacks. It runs once in each page.
if (!window.mnistPaper) {
  window.mnistPaper = true;
  const patience = 2000; // milliseconds without an answer of the kernel until a notice
  let pressed = null; // the paper on which the mouse button went down

  const listen = (kind, handle) => document.addEventListener(kind, handle, true);
  const paperOf = (event) => event.target.closest?.(".pad-sheet canvas");

  // The kernel answers a press with a new, hidden notice. If the old one is still there, the kernel
  // has not answered.
  const awaitAnswer = (paper) => {
    const notice = paper.closest(".pad-sheet").querySelector(".pad-busy");
    window.setTimeout(() => { notice.hidden = false; }, patience);
  };

  // A stroke continues outside the paper: Python moves its points to the edge.
  const pass = (kind, { clientX, clientY, buttons }) =>
    pressed.dispatchEvent(new MouseEvent(kind, { clientX, clientY, buttons }));

  listen("mousedown", (event) => {
    pressed = paperOf(event);
    if (!pressed) return;
    event.preventDefault(); // otherwise Shift and a move select cells in JupyterLab
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
    if (paper && event.touches.length === 1) awaitAnswer(paper); // a second finger does not draw
  });
  listen("wheel", (event) => {
    const canvas = event.target.closest?.(".mnist-pad canvas"); // also a canvas that is not paper
    if (canvas) event.stopPropagation(); // ipycanvas would prevent the page from scrolling
  });

  // WebKit shows nothing of a canvas that was scrolled away or changed its theme, until something
  // is drawn on it.
  const showPapers = () => {
    for (const paper of document.querySelectorAll(".mnist-pad canvas")) {
      paper.getContext("2d").clearRect(-1, -1, 1, 1); // outside the canvas: changes no pixel
    }
  };
  window.setInterval(showPapers, 500); // milliseconds
}
