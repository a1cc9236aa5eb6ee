// What is done to files from the page. Whatever fails is said, and the lists are asked for again.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { blobOf, bytesAt } from "@/api/client";
import { errorText } from "@/i18n/errorText";
import { toast } from "@/ui/toast";
import { type Bulk, bulk, contentOf, FILES, type StoredFile } from "./api";

export function useFileChange<In, Out = unknown>(
  change: (wish: In) => Promise<Out>,
  onDone?: (answer: Out, wish: In) => void,
) {
  const { t } = useTranslation();
  const client = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSuccess: (answer, wish) => onDone?.(answer, wish),
    onError: (error) => toast({ kind: "error", title: errorText(t, error) }),
    onSettled: () => client.invalidateQueries({ queryKey: FILES }),
  });
}

/** Several at once. What kept its place because its name is taken is told. */
export function useBulk(onDone?: () => void) {
  const { t } = useTranslation();
  const restore = useFileChange(bulk);
  return useFileChange(bulk, (answer, wish: Bulk) => {
    if (answer.name_taken.length > 0) {
      toast({ kind: "error", title: t("files.bulk.name_taken", { count: answer.name_taken.length }) });
    }
    if (answer.done > 0 || wish.folders?.length) {
      const canUndo = wish.action === "trash" && (wish.ids?.length ?? 0) > 0 && !wish.folders?.length;
      toast({
        kind: "good",
        title: t(`files.bulk.done_${wish.action}`, { count: answer.done }),
        action: canUndo
          ? {
              label: t("files.bulk.undo"),
              onClick: () => restore.mutate({ action: "restore", ids: wish.ids }),
              testId: "files-undo",
            }
          : undefined,
      });
    }
    onDone?.();
  });
}

/** Larger ones are written to the disk as they come, where the browser can. */
const BLOB_MAX = 64 << 20;
const SAVE_TIMEOUT_MS = 12 * 3_600_000;
type Picker = (wish: { suggestedName: string }) => Promise<FileSystemFileHandle>;

function handOver(href: string, name: string): void {
  const link = document.createElement("a");
  link.href = href;
  link.download = name;
  link.click();
}

/** Saves a file, or a version of it. What is not private has a link that the browser loads by itself. */
export function useSave() {
  const { t } = useTranslation();
  const [saving, setSaving] = useState<string | null>(null);
  const save = async (item: StoredFile, version?: { number: number; bytes: number }) => {
    if (!version && item.visibility !== "private") return handOver(`${item.url}?download=true`, item.name);
    const place = contentOf(item, { version: version?.number ?? item.served_version, isSaved: true });
    const picker = (window as { showSaveFilePicker?: Picker }).showSaveFilePicker;
    setSaving(item.id);
    try {
      if (picker && (version?.bytes ?? item.bytes) > BLOB_MAX) {
        const handle = await picker({ suggestedName: item.name });
        const { body } = await bytesAt(place, {}, SAVE_TIMEOUT_MS);
        await body?.pipeTo(await handle.createWritable());
      } else {
        const href = URL.createObjectURL(await blobOf(place));
        handOver(href, item.name);
        setTimeout(() => URL.revokeObjectURL(href), 60_000);
      }
    } catch (error) {
      // Whoever closes the picker wants nothing.
      if (!(error instanceof DOMException && error.name === "AbortError"))
        toast({ kind: "error", title: errorText(t, error) });
    }
    setSaving(null);
  };
  return { saving, save };
}
