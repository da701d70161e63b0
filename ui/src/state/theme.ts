// Light, dark or as the system says; contrast likewise. Kept in this browser. Written as attributes on
// <html>, so that CSS alone does the rest. Where next: tokens.css.
import { create } from "zustand";

export type Theme = "system" | "light" | "dark";
export type Contrast = "system" | "normal" | "more";

interface ThemeState {
  theme: Theme;
  contrast: Contrast;
  /** Single letters act as keys (WCAG 2.1.4 asks that they can be turned off). */
  letters: boolean;
  /** What the theme comes to now. */
  dark: boolean;
  setTheme(theme: Theme): void;
  setContrast(contrast: Contrast): void;
  setLetters(letters: boolean): void;
}

const STORE = "shelf.appearance";
const darkQuery = () => window.matchMedia?.("(prefers-color-scheme: dark)");
const contrastQuery = () => window.matchMedia?.("(prefers-contrast: more)");

function stored(): { theme: Theme; contrast: Contrast; letters: boolean } {
  const fallback = { theme: "system" as Theme, contrast: "system" as Contrast, letters: true };
  try {
    return { ...fallback, ...JSON.parse(localStorage.getItem(STORE) ?? "{}") };
  } catch {
    // Storage may be forbidden or hold something else: the system's choice is as good.
    return fallback;
  }
}

export const useTheme = create<ThemeState>()((set) => ({
  ...stored(),
  dark: false,
  setTheme: (theme) => set({ theme }),
  setContrast: (contrast) => set({ contrast }),
  setLetters: (letters) => set({ letters }),
}));

function show(): void {
  const { theme, contrast, letters } = useTheme.getState();
  const dark = theme === "dark" || (theme === "system" && darkQuery()?.matches === true);
  const more = contrast === "more" || (contrast === "system" && contrastQuery()?.matches === true);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  document.documentElement.dataset.contrast = more ? "more" : "normal";
  if (useTheme.getState().dark !== dark) useTheme.setState({ dark });
  try {
    localStorage.setItem(STORE, JSON.stringify({ theme, contrast, letters }));
  } catch {
    // Kept for this page only.
  }
}

/** Shows the theme now and whenever the person or the system changes it. */
export function startTheme(): void {
  show();
  useTheme.subscribe(show);
  darkQuery()?.addEventListener("change", show);
  contrastQuery()?.addEventListener("change", show);
}
