// The rules for the page's scripts; `make lint` runs them where npm is. Formatted by prettier,
// --print-width 100.
const browser = ["window", "document", "performance", "devicePixelRatio", "addEventListener"];
const pictures = ["File", "URL", "navigator", "setTimeout", "clearTimeout"];
const storage = ["sessionStorage", "location", "matchMedia"];
const drawing = ["requestAnimationFrame", "cancelAnimationFrame", "ResizeObserver", "MouseEvent"];
const rules = [
  "no-undef",
  "no-unused-vars",
  "no-var",
  "prefer-const",
  "eqeqeq",
  "no-redeclare",
  "no-unreachable",
];

export default [
  {
    languageOptions: {
      ecmaVersion: 2023,
      sourceType: "module",
      globals: Object.fromEntries(
        [...browser, ...drawing, ...pictures, ...storage].map((name) => [name, "readonly"]),
      ),
    },
    rules: {
      ...Object.fromEntries([...rules, "no-implicit-coercion"].map((rule) => [rule, "error"])),
      "one-var": ["error", "never"],
      "max-len": ["error", 100],
    },
  },
];
