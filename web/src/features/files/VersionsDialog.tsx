import { useQuery } from "@tanstack/react-query";
import { Download, History } from "lucide-react";
import { useTranslation } from "react-i18next";
import { bytes } from "@/features/vod/keeping";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { ago } from "@/lib/time";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button, IconButton } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { type StoredFile, serveVersion, versions } from "./api";
import { useFileChange, useSave } from "./useChanges";
import { isBad, stateText } from "./words";

/** What a file was before: to be had, or to be served again. */
export function VersionsDialog({ file, onClose }: { file: StoredFile; onClose: () => void }) {
  const { t } = useTranslation();
  const lang = useLang();
  const list = useQuery(versions(file.id));
  const { saving, save } = useSave();
  const serve = useFileChange((number: number) => serveVersion(file.id, number));
  return (
    <Dialog isOpen onClose={onClose} title={t("files.versions.title")} description={file.name}>
      {list.isPending && <Skeleton className="h-32" />}
      {list.isError && !list.data && <ErrorState error={list.error} onRetry={() => void list.refetch()} />}
      {list.data && (
        <ul className="divide-y divide-line" data-testid="versions">
          {list.data.items.map((version) => {
            const said = stateText(t, version);
            return (
              <li
                key={version.number}
                className="flex flex-wrap items-center gap-x-3 gap-y-1 py-2.5"
                data-testid="version"
                data-number={version.number}
              >
                <div className="min-w-0 flex-1 basis-44">
                  <p className="font-semibold text-[15px]">
                    {t("files.version", { number: version.number })}
                    {version.is_served && (
                      <span className="ml-2 rounded-full bg-good-wash px-2 py-0.5 text-good text-xs">
                        {t("files.versions.served")}
                      </span>
                    )}
                  </p>
                  <p className="tabular text-sm text-soft">
                    {bytes(version.bytes, lang)}
                    <span aria-hidden="true"> · </span>
                    {ago(version.created_at, lang)}
                  </p>
                  {said && (
                    <p className={cx("text-sm", isBad(version) ? "text-danger" : "text-soft")}>{said}</p>
                  )}
                </div>
                {version.is_kept && version.state === "completed" && !version.is_served && (
                  <Button
                    size="s"
                    onClick={() => serve.mutate(version.number)}
                    isBusy={serve.isPending && serve.variables === version.number}
                    aria-label={t("files.versions.serve_named", { number: version.number })}
                    data-testid="version-serve"
                  >
                    <History />
                    {t("files.versions.serve")}
                  </Button>
                )}
                {version.is_kept && version.state === "completed" && file.url && (
                  <IconButton
                    look="ghost"
                    isBusy={saving !== null}
                    label={t("files.versions.save_named", { number: version.number })}
                    onClick={() => void save(file, { number: version.number, bytes: version.bytes })}
                    data-testid="version-save"
                  >
                    {saving === null && <Download />}
                  </IconButton>
                )}
              </li>
            );
          })}
        </ul>
      )}
      <p className="text-faint text-sm">{t("files.versions.text")}</p>
    </Dialog>
  );
}
