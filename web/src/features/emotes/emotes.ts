// Emotes: everybody's, which are part of the app, and those a channel has of its own.
import { queryOptions } from "@tanstack/react-query";
import { createContext, useContext } from "react";
import { api, unwrap } from "@/api/client";
import type { Schemas } from "@/api/types";
import { upload } from "@/lib/upload";

export type Emote = Schemas["Emote"];

/** The ones every channel has. */
export const EMOTES = [
  "rill",
  "wave",
  "hype",
  "gg",
  "lol",
  "cry",
  "love",
  "think",
  "wow",
  "rip",
  "clap",
  "sip",
] as const;

export const OWN_MAX = 50;
export const FILE_BYTES_MAX = 512 * 1024;
export const NAME_CHARS_MAX = 24;
export const FILE_TYPES = ["image/png", "image/webp", "image/gif", "image/jpeg"];
const STALE_MS = 300_000;

export const channelEmotes = (username: string) =>
  queryOptions({
    queryKey: ["emotes", username.toLowerCase()],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/channels/{username}/emotes", {
          params: { path: { username: username.toLowerCase() } },
          signal,
        }),
      ),
    // Whoever sits in the channel's chat is told of changes.
    staleTime: STALE_MS,
  });

const NONE: readonly Emote[] = [];
/** The emotes of the channel whose chat this is. Elsewhere there are only everybody's. */
export const OwnEmotes = createContext<readonly Emote[]>(NONE);
export const useOwnEmotes = () => useContext(OwnEmotes);
export const noEmotes = NONE;

/** Where an emote's picture is, if there is such an emote here. */
export function emoteUrl(name: string, own: readonly Emote[]): string | undefined {
  if ((EMOTES as readonly string[]).includes(name)) return `/emotes/${name}.svg`;
  return own.find((one) => one.name === name)?.url;
}

const OWN = /^(\/media\/emotes\/[0-9a-f-]{36}\/)56\.webp$/;

/** The same picture for sharper screens. */
export function sharper(url: string): string | undefined {
  const folder = OWN.exec(url)?.[1];
  return folder ? `${folder}56.webp 1x, ${folder}112.webp 2x` : undefined;
}

export type NameFault = "name_short" | "name_chars" | "name_digits" | "name_everybodys" | "name_taken";

/** What is wrong with a name for an emote of one's own. The server decides; this is said while it is typed. */
export function nameFault(name: string, own: readonly Emote[], self?: string): NameFault | null {
  if (!/^[a-z0-9_]*$/.test(name) || name.length > NAME_CHARS_MAX) return "name_chars";
  if (name.length < 2) return "name_short";
  if (!/[a-z]/.test(name)) return "name_digits";
  if ((EMOTES as readonly string[]).includes(name)) return "name_everybodys";
  if (own.some((one) => one.name === name && one.id !== self)) return "name_taken";
  return null;
}

/** A name made of a file's. */
export const nameOf = (file: string): string =>
  file
    .replace(/\.[^.]*$/, "")
    .normalize("NFD")
    .toLowerCase()
    .replace(/đ/g, "d")
    .replace(/[^a-z0-9]+/g, (gap) => (/^\p{M}+$/u.test(gap) ? "" : "_"))
    .replace(/^_+|_+$/g, "")
    .slice(0, NAME_CHARS_MAX);

export function addEmote(name: string, file: File, onProgress: (share: number) => void): Promise<Emote> {
  const form = new FormData();
  form.set("name", name);
  form.set("file", file);
  return upload<Emote>("/api/v1/me/emotes", form, onProgress);
}

export const renameEmote = (id: string, name: string) =>
  unwrap(api.PATCH("/api/v1/me/emotes/{id}", { params: { path: { id } }, body: { name } }));

export const removeEmote = (id: string): Promise<unknown> =>
  unwrap(api.DELETE("/api/v1/me/emotes/{id}", { params: { path: { id } } }));

export const removeEmoteOf = (username: string, id: string, reason: string): Promise<unknown> =>
  unwrap(
    api.POST("/api/v1/admin/users/{username}/emotes/{id}/remove", {
      params: { path: { username, id } },
      body: { reason },
    }),
  );
