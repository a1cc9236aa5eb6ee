// Cache keys of what moderators read. All of a channel begin with the same two words.
export const modKey = (channel: string) => ["mod", channel] as const;
export const logKey = (channel: string) => [...modKey(channel), "log"] as const;
