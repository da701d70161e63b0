import type { Model } from "../src/api/types";

/** For tests: the mock's apps are plain JavaScript. */
export function makeApps(): { name: string; model(): Model }[];
