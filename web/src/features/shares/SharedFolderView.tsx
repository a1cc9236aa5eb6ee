import { Dialog } from "@base-ui/react/dialog";
import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { ChevronLeft, ChevronRight, X } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { KindIcon } from "@/features/files/KindIcon";
import { crumbs } from "@/features/files/paths";
import { bytes } from "@/features/vod/keeping";
import { useLang } from "@/i18n/useLang";
import { Empty, ErrorState, Skeleton } from "@/ui/bits";
import { IconButton } from "@/ui/button";
import { More } from "@/ui/more";
import { type SharedFile, sharedItems } from "./api";
import { SharedFileView } from "./SharedFileView";
import { useSteady } from "./useSteady";

const route = getRouteApi("/shell/share/$token");
const row =
  "flex min-h-14 w-full items-center gap-3 px-3 py-2 text-left hover:bg-raised focus-visible:bg-raised sm:px-4";

/** A shared folder: what lies in it, and in those below. */
export function SharedFolderView({
  token,
  name,
  renew,
}: {
  token: string;
  name: string;
  renew: () => Promise<unknown>;
}) {
  const { t } = useTranslation();
  const { path = "/" } = route.useSearch();
  const list = useInfiniteQuery(sharedItems(token, path));
  const [shownId, setShownId] = useState<string | null>(null);
  const pages = list.data?.pages ?? [];
  const items = pages.flatMap((page) => page.items);
  const folders = pages.flatMap((page) => page.folders);
  const at = items.findIndex((file) => file.id === shownId);
  const shown = items[at] ?? null;
  return (
    <div className="flex flex-col gap-4" data-testid="shared-folder" data-path={path}>
      <nav aria-label={t("files.crumbs")} className="flex flex-wrap items-center gap-1 text-sm">
        <Crumb token={token} path="/" name={name} isHere={path === "/"} />
        {crumbs(path).map((crumb) => (
          <span key={crumb.path} className="inline-flex items-center gap-1">
            <ChevronRight aria-hidden="true" className="size-4 text-faint" />
            <Crumb token={token} path={crumb.path} name={crumb.name} isHere={crumb.path === path} />
          </span>
        ))}
      </nav>
      {list.isPending && (
        <div className="flex flex-col gap-2" aria-busy="true">
          <Skeleton className="h-14" />
          <Skeleton className="h-14" />
          <Skeleton className="h-14" />
        </div>
      )}
      {list.isError && !list.data && <ErrorState error={list.error} onRetry={() => void list.refetch()} />}
      {list.data && items.length === 0 && folders.length === 0 && <Empty title={t("share.empty")} />}
      {(items.length > 0 || folders.length > 0) && (
        <ul
          className="divide-y divide-line overflow-hidden rounded-lg border border-line bg-surface"
          aria-label={crumbs(path).at(-1)?.name ?? name}
        >
          {folders.map((folder) => (
            <li key={folder.path}>
              <Link
                to="/share/$token"
                params={{ token }}
                search={{ path: folder.path }}
                className={row}
                data-testid="shared-below"
                data-name={folder.name}
              >
                <span className="grid size-10 shrink-0 place-items-center text-melt">
                  <KindIcon kind="folder" className="size-5" />
                </span>
                <span className="min-w-0 flex-1 truncate font-semibold">{folder.name}</span>
                <span className="tabular shrink-0 text-faint text-sm">
                  {t("files.count", { count: folder.files, shown: folder.files })}
                </span>
                <ChevronRight aria-hidden="true" className="size-4 shrink-0 text-faint" />
              </Link>
            </li>
          ))}
          {items.map((file) => (
            <li key={file.id}>
              <Row file={file} onOpen={() => setShownId(file.id)} />
            </li>
          ))}
        </ul>
      )}
      <More list={list} className="self-center" />
      {shown && (
        <Large
          file={shown}
          before={items[at - 1] ?? null}
          after={items[at + 1] ?? null}
          onShow={(file) => setShownId(file.id)}
          onClose={() => setShownId(null)}
          renew={async () => {
            await renew();
            await list.refetch();
          }}
        />
      )}
    </div>
  );
}

function Crumb({
  token,
  path,
  name,
  isHere,
}: {
  token: string;
  path: string;
  name: string;
  isHere: boolean;
}) {
  if (isHere) {
    return (
      <span aria-current="page" className="inline-flex min-h-6 items-center truncate font-semibold">
        {name}
      </span>
    );
  }
  return (
    <Link
      to="/share/$token"
      params={{ token }}
      search={path === "/" ? {} : { path }}
      className="inline-flex min-h-6 items-center truncate text-soft hover:text-text hover:underline"
    >
      {name}
    </Link>
  );
}

function Row({ file, onOpen }: { file: SharedFile; onOpen: () => void }) {
  const lang = useLang();
  const [thumb, advance] = useSteady(file.thumbnail_url);
  return (
    <button
      type="button"
      className={row}
      onClick={onOpen}
      data-testid="shared-item"
      data-name={file.name}
      data-kind={file.kind}
    >
      <span className="grid size-10 shrink-0 place-items-center overflow-hidden rounded-sm bg-field text-soft">
        {thumb ? (
          <img
            src={thumb}
            alt=""
            className="size-full object-cover"
            onError={() => advance()}
            loading="lazy"
          />
        ) : (
          <KindIcon kind={file.kind} className="size-5" />
        )}
      </span>
      <span className="min-w-0 flex-1 truncate">{file.name}</span>
      <span className="tabular shrink-0 text-faint text-sm">{bytes(file.bytes, lang)}</span>
    </button>
  );
}

/** A file of the folder as large as the window lets it be, and the ones beside it. */
function Large({
  file,
  before,
  after,
  onShow,
  onClose,
  renew,
}: {
  file: SharedFile;
  before: SharedFile | null;
  after: SharedFile | null;
  onShow: (file: SharedFile) => void;
  onClose: () => void;
  renew: () => Promise<unknown>;
}) {
  const { t } = useTranslation();
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Backdrop className="fixed inset-0 z-[60] bg-black/80" />
        <Dialog.Popup
          className="fixed inset-2 z-[61] flex flex-col gap-2 overflow-hidden rounded-lg border border-line bg-surface p-2 sm:inset-6 sm:p-4"
          data-testid="shared-large"
          data-name={file.name}
          onKeyDown={(event) => {
            const next = event.key === "ArrowLeft" ? before : event.key === "ArrowRight" ? after : null;
            // A player has these keys for itself.
            if (next && !(event.target instanceof HTMLMediaElement)) onShow(next);
          }}
        >
          <div className="flex shrink-0 items-center gap-1 pl-2">
            <Dialog.Title className="min-w-0 flex-1 truncate font-semibold">{file.name}</Dialog.Title>
            <IconButton
              size="icon"
              look="ghost"
              label={t("files.preview.before")}
              disabled={!before}
              onClick={() => before && onShow(before)}
            >
              <ChevronLeft />
            </IconButton>
            <IconButton
              size="icon"
              look="ghost"
              label={t("files.preview.after")}
              disabled={!after}
              onClick={() => after && onShow(after)}
            >
              <ChevronRight />
            </IconButton>
            <Dialog.Close
              aria-label={t("actions.close")}
              className="grid size-10 shrink-0 place-items-center rounded-md text-soft hover:bg-raised hover:text-text"
            >
              <X className="size-5" />
            </Dialog.Close>
          </div>
          <SharedFileView key={file.id} file={file} renew={renew} />
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
