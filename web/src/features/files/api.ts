// Members' files, as the API tells them: shapes, questions with their cache keys, and what is done to them.
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "@/api/client";
import type { Schemas } from "@/api/types";

export const KINDS = ["image", "video", "audio", "pdf", "text", "file"] as const;
export type FileKind = Schemas["FileKind"];
export const SORTS = ["name", "recent", "size"] as const;
export type FileSort = (typeof SORTS)[number];
export type StoredFile = Schemas["File"];
export type FileState = Schemas["VersionState"];
export type Folder = Schemas["Folder"];
export type FileLimits = Schemas["FileLimits"];
export type FileVersion = Schemas["FileVersion"];
export type PartUrl = Schemas["PartUrl"];
export type UploadView = Schemas["UploadView"];
export type Bulk = Schemas["Bulk"];

export const FILES = ["me", "files"] as const;
const PAGE = 50;
/** Something is still going to happen to it. */
export const isOpen = (state: FileState) =>
  state === "uploading" || state === "queued" || state === "processing";
/** The socket tells at once; this heals what it missed. */
const POLL_MS = 5_000;

export type FileFilter = {
  /** A folder's own files; without it, files everywhere. */
  path?: string;
  q?: string;
  kind?: FileKind;
  tag?: string;
  trash?: boolean;
  sort?: FileSort;
};

export const files = (filter: FileFilter) =>
  infiniteQueryOptions({
    queryKey: [...FILES, "list", filter],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        api.GET("/api/v1/files", {
          params: { query: { ...filter, limit: PAGE, cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
    refetchInterval: (query) =>
      query.state.data?.pages.some((page) => page.items.some((item) => isOpen(item.state))) ? POLL_MS : false,
  });

/** The folders right below one. */
export const foldersIn = (path: string) =>
  queryOptions({
    queryKey: [...FILES, "folders", path],
    queryFn: async ({ signal }) => {
      const page = await unwrap(api.GET("/api/v1/files", { params: { query: { path, limit: 1 } }, signal }));
      return page.folders;
    },
  });

export const limits = () =>
  queryOptions({
    queryKey: [...FILES, "limits"],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/me/files", { signal })),
  });

export const file = (id: string) =>
  queryOptions({
    queryKey: [...FILES, "one", id],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/files/{id}", { params: { path: { id } }, signal })),
    refetchInterval: (query) => (query.state.data && isOpen(query.state.data.state) ? POLL_MS : false),
  });

export const versions = (id: string) =>
  queryOptions({
    queryKey: [...FILES, "versions", id],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/v1/files/{id}/versions", { params: { path: { id } }, signal })),
  });

/** As many as one looks through for what was begun and not ended. */
const UNFINISHED_MAX = 20;
export type Unfinished = { file: StoredFile; upload: UploadView };

/** What is not whole yet. Whose upload ended meanwhile is left out. */
export const unfinished = () =>
  queryOptions({
    queryKey: [...FILES, "unfinished"],
    queryFn: async ({ signal }): Promise<Unfinished[]> => {
      const query = { sort: "recent" as const, limit: 100 };
      const page = await unwrap(api.GET("/api/v1/files", { params: { query }, signal }));
      const begun = page.items.filter((item) => item.state === "uploading").slice(0, UNFINISHED_MAX);
      const found = await Promise.all(
        begun.map(async (item) => {
          const view = await upload(item.upload_id, signal).catch(() => null);
          return view && { file: item, upload: view };
        }),
      );
      return found.filter((one) => one !== null);
    },
    refetchOnWindowFocus: false,
  });

const at = (id: string) => ({ params: { path: { id } } });
export const updateFile = (id: string, body: Schemas["UpdateFile"]) =>
  unwrap(api.PATCH("/api/v1/files/{id}", { ...at(id), body }));
export const cancelFile = (id: string) => unwrap(api.POST("/api/v1/files/{id}/cancel", at(id)));
export const serveVersion = (id: string, number: number) =>
  unwrap(api.POST("/api/v1/files/{id}/versions/{number}/restore", { params: { path: { id, number } } }));
export const bulk = (body: Bulk) => unwrap(api.POST("/api/v1/files/bulk", { body }));
export const renameFolder = (from: string, to: string) =>
  unwrap(api.POST("/api/v1/files/rename-folder", { body: { from, to } }));

export const findFile = (id: string) => unwrap(api.GET("/api/v1/files/{id}", at(id)));
export const beginUpload = (body: Schemas["NewUpload"]) =>
  unwrap(api.POST("/api/v1/files/chunked-upload/initiate", { body }));
export const upload = (upload_id: string, signal?: AbortSignal) =>
  unwrap(api.GET("/api/v1/files/chunked-upload/{upload_id}", { params: { path: { upload_id } }, signal }));
export const completeUpload = (body: Schemas["CompleteUpload"]) =>
  unwrap(api.POST("/api/v1/files/chunked-upload/complete", { body }));
export const abortUpload = (upload_id: string) =>
  unwrap(api.DELETE("/api/v1/files/chunked-upload/{upload_id}", { params: { path: { upload_id } } }));

/** Where a version's bytes are; a version's bytes never change, so it can be kept under this name. */
export function contentOf(
  item: StoredFile,
  {
    version = item.served_version ?? null,
    isSaved = false,
  }: { version?: number | null; isSaved?: boolean } = {},
): string {
  const query = new URLSearchParams();
  if (version !== null) query.set("version", String(version));
  if (isSaved) query.set("download", "true");
  return `/api/v1/files/${item.id}/content?${query}`;
}
export const thumbnailOf = (item: StoredFile): string | null =>
  item.thumbnail_url ? `${item.thumbnail_url}?version=${item.served_version ?? 0}` : null;
