// The one file that is to go out with the next message: taken, checked, sent up, taken back.
import { useEffect, useReducer, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "@/api/client";
import type { RoomAttachment } from "@/api/types";
import { errorText } from "@/i18n/errorText";
import { upload } from "@/lib/upload";
import { getSocket } from "@/realtime/socket";
import { toast } from "@/ui/toast";
import { type Limits, named, refusalOf, step } from "./attach";

/** A large file over a slow line. */
const TIMEOUT_MS = 10 * 60_000;

export type Attaching = ReturnType<typeof useAttaching>;

export function useAttaching(room: string, limits: Limits | null) {
  const { t } = useTranslation();
  const [going, tell] = useReducer(step, null);
  const run = useRef(0);
  const abort = useRef<AbortController | null>(null);

  const begin = (file: File) => {
    abort.current?.abort();
    const [number, control] = [++run.current, new AbortController()];
    abort.current = control;
    tell({ type: "begin", run: number, file });
    const form = new FormData();
    form.set("file", file);
    upload<RoomAttachment>(
      `/api/v1/rooms/${room}/attachments`,
      form,
      (share) => tell({ type: "progress", run: number, share }),
      { signal: control.signal, timeoutMs: TIMEOUT_MS },
    ).then(
      (attachment) => {
        if (control.signal.aborted) takeBack(room, attachment.id);
        tell({ type: "done", run: number, attachment });
      },
      (error: unknown) => tell({ type: "failed", run: number, error }),
    );
  };
  const cancel = () => {
    abort.current?.abort();
    if (going?.done) takeBack(room, going.done.id);
    tell({ type: "end" });
  };

  // Who goes elsewhere takes nothing along; what is up already goes by itself after an hour.
  useEffect(() => () => abort.current?.abort(), []);

  useEffect(() => {
    const socket = getSocket();
    const changed = ({ attachment }: { attachment: RoomAttachment }) => tell({ type: "changed", attachment });
    socket.on("room:attachment", changed);
    return () => {
      socket.off("room:attachment", changed);
    };
  }, []);

  return {
    going,
    limits,
    cancel,
    preview: usePreview(going?.file ?? null),
    take: (files: Iterable<File>) => {
      const [first] = files;
      if (!first || !limits) return;
      const file = named(first);
      const refusal = refusalOf(file, limits);
      if (refusal) toast({ kind: "error", title: errorText(t, refusal) });
      else {
        if (going?.done) takeBack(room, going.done.id);
        begin(file);
      }
    },
    retry: () => {
      if (going) begin(going.file);
    },
    /** It went out. */
    sent: () => tell({ type: "end" }),
  };
}

function takeBack(id: string, attachment: string) {
  const path = { id, attachment };
  // What is not taken back goes by itself.
  void api.DELETE("/api/v1/rooms/{id}/attachments/{attachment}", { params: { path } }).catch(() => undefined);
}

/** An address of what is here, for as long as it is drawn. */
export function usePreview(blob: Blob | null): string | null {
  const [url, setUrl] = useState<string | null>(null);
  useEffect(() => {
    if (!blob?.type.startsWith("image/")) return setUrl(null);
    const made = URL.createObjectURL(blob);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [blob]);
  return url;
}
