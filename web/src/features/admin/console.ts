// What the staff asks of the site, and does about what is live and who is there.
import { queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "@/api/client";
import type { Schemas } from "@/api/types";

/** Nobody tells these pages of what has changed. */
const REFRESH_MS = 10_000;

export type Overview = Schemas["Overview"];
export type Light = Schemas["Light"];
export type AdminStream = Schemas["AdminStream"];
export type AdminMemberDetail = Schemas["AdminMemberDetail"];
export type Setting = Schemas["Setting"];
export type Role = Schemas["NewRole"];

export const ROLES = ["user", "moderator", "admin"] as const satisfies readonly Role[];

export const overview = () =>
  queryOptions({
    queryKey: ["admin", "overview"],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/admin/overview", { signal })),
    refetchInterval: REFRESH_MS,
  });

export const adminStreams = () =>
  queryOptions({
    queryKey: ["admin", "streams"],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/admin/streams", { signal })),
    refetchInterval: REFRESH_MS,
  });

export const cutStream = (id: string, reason: string, isKeyBlocked: boolean) =>
  unwrap(
    api.POST("/api/v1/admin/streams/{id}/cut", {
      params: { path: { id } },
      body: { reason, block_key: isKeyBlocked },
    }),
  );

export const adminMember = (username: string) =>
  queryOptions({
    queryKey: ["admin", "member", username],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/v1/admin/users/{username}", { params: { path: { username } }, signal })),
  });

export const endSignInsOf = (username: string, reason: string) =>
  unwrap(
    api.DELETE("/api/v1/admin/users/{username}/sessions", {
      params: { path: { username } },
      body: { reason },
    }),
  );

export const setRole = (username: string, role: Role, reason: string) =>
  unwrap(
    api.PUT("/api/v1/admin/users/{username}/role", {
      params: { path: { username } },
      body: { role, reason },
    }),
  );

export const settings = () =>
  queryOptions({
    queryKey: ["admin", "settings"],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/admin/settings", { signal })),
  });

/** Settings by section, in the order of the template; what has none is on its own, first. */
export function bySection<T extends Pick<Setting, "key">>(items: readonly T[]): [string, T[]][] {
  const sections = new Map<string, T[]>();
  for (const item of items) {
    const section = item.key.includes(".") ? item.key.slice(0, item.key.lastIndexOf(".")) : "";
    sections.set(section, [...(sections.get(section) ?? []), item]);
  }
  return [...sections];
}

/** What is looked for is in a setting's key or sentence. */
export function found<T extends Pick<Setting, "key" | "about">>(items: readonly T[], typed: string): T[] {
  const word = typed.trim().toLowerCase();
  return items.filter((item) => `${item.key} ${item.about}`.toLowerCase().includes(word));
}

/** A setting's value as a file would have it. */
export function written(value: unknown): string {
  if (Array.isArray(value)) return value.map(written).join(", ");
  return value === null || value === undefined ? "" : String(value);
}
