/** What the page of results can be narrowed to. */
export const TABS = ["channel", "vod", "category", "file"] as const;
export type Tab = (typeof TABS)[number];
