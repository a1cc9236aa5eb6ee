import { onlineManager, useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { ArrowLeft, FolderPlus, FolderUp, Link2, Trash2, Upload } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { BulkBar, Crumbs, Found, Nothing, Toolbar, TrashNote } from "@/features/files/Around";
import {
  abortUpload,
  cancelFile,
  type FileFilter,
  type Folder,
  files,
  limits,
  type StoredFile,
  unfinished,
} from "@/features/files/api";
import { DetailsDialog } from "@/features/files/DetailsDialog";
import { type Entry, entriesOf, FileList } from "@/features/files/FileList";
import { FolderNameDialog, MoveDialog } from "@/features/files/FolderDialogs";
import { Preview } from "@/features/files/Preview";
import { crumbs } from "@/features/files/paths";
import { QuotaBar } from "@/features/files/QuotaBar";
import type { RowAct } from "@/features/files/RowMenu";
import { NONE, still } from "@/features/files/select";
import { UnfinishedList } from "@/features/files/UnfinishedList";
import { useBulk, useFileChange, useSave } from "@/features/files/useChanges";
import { VersionsDialog } from "@/features/files/VersionsDialog";
import type { Thing } from "@/features/shares/api";
import { ShareDialog } from "@/features/shares/ShareDialog";
import { DropZone } from "@/features/upload/DropZone";
import { picked } from "@/features/upload/dropped";
import { type Chosen, cancel, take, useUploads } from "@/features/upload/store";
import { errorText } from "@/i18n/errorText";
import { PageHead } from "@/shell/PageHead";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button, buttonClass } from "@/ui/button";
import { copyText } from "@/ui/copy";
import { ConfirmDialog } from "@/ui/dialog";
import { More } from "@/ui/more";
import { toast } from "@/ui/toast";
import { RequireUser } from "./RequireUser";

const route = getRouteApi("/shell/files");
const REFUSED_SHOWN = 3;

export function FilesPage() {
  return <RequireUser>{() => <Files />}</RequireUser>;
}

type Asked =
  | { what: "folder"; folder: Folder | null }
  | { what: "details" | "versions"; file: StoredFile }
  | { what: "share"; thing: Thing }
  | { what: "move" | "trash" | "erase"; entries: Entry[] };

function Files() {
  const { t } = useTranslation();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { path = "/", q, kind, tag, sort = "name", trash = false } = search;
  const isEverywhere = trash || Boolean(q || kind || tag);
  const filter: FileFilter = {
    path: isEverywhere ? undefined : path,
    q,
    kind,
    tag,
    sort,
    trash: trash || undefined,
  };
  const list = useInfiniteQuery(files(filter));
  const pages = list.data?.pages ?? [];
  const items = pages.flatMap((page) => page.items);
  const folders = isEverywhere ? [] : pages.flatMap((page) => page.folders);
  const entries = entriesOf(folders, items);

  const [chosen, setChosen] = useState(NONE);
  const selection = still(
    chosen,
    entries.map((entry) => entry.key),
  );
  const [asked, setAsked] = useState<Asked | null>(null);
  const [shownId, setShownId] = useState<string | null>(null);
  const close = () => setAsked(null);
  const clear = () => {
    setAsked(null);
    setChosen(NONE);
  };
  // What is chosen in one place is not chosen in the next one.
  const place = JSON.stringify(filter);
  const [known, setKnown] = useState(place);
  if (known !== place) {
    setKnown(place);
    setChosen(NONE);
  }

  const change = useBulk(clear);
  const giveUp = useFileChange(({ state, upload_id, id }: StoredFile) => {
    const own = useUploads.getState().items.find((item) => item.place?.uploadId === upload_id);
    if (own) cancel(own.id);
    return state === "uploading" ? abortUpload(upload_id) : cancelFile(id);
  });
  const { save } = useSave();
  const picking = useUploading(path);

  const act = (wish: RowAct, entry: Entry) => {
    const { file } = entry;
    if (wish === "move" || wish === "erase") return setAsked({ what: wish, entries: [entry] });
    if (wish === "trash") {
      // A file can be had back with one press; a folder may hold many.
      return file
        ? change.mutate({ action: "trash", ids: [file.id] })
        : setAsked({ what: "trash", entries: [entry] });
    }
    if (wish === "share") return setAsked({ what: "share", thing: thingOf(entry) });
    if (!file) return setAsked({ what: "folder", folder: entry.folder });
    if (wish === "download") return void save(file);
    if (wish === "cancel") return giveUp.mutate(file);
    if (wish === "restore") return change.mutate({ action: "restore", ids: [file.id] });
    if (wish === "details" || wish === "versions") return setAsked({ what: wish, file });
    if (wish === "link") {
      void copyText(`${window.location.origin}${file.url}`).then(
        () => toast({ kind: "good", title: t("files.link_copied") }),
        () => toast({ kind: "error", title: t("copy.failed") }),
      );
    }
  };

  const openable = items.filter((file) => typeof file.served_version === "number");
  const at = openable.findIndex((file) => file.id === shownId);
  const shown = openable[at] ?? null;
  const picks = entries.filter((entry) => selection.keys.has(entry.key));
  const doomed = asked?.what === "trash" || asked?.what === "erase" ? asked.entries : [];
  const here = crumbs(path).at(-1)?.name ?? t("files.root");
  return (
    <div className="container-page flex max-w-[1180px] flex-col gap-5 pt-8">
      <div className="-mb-5">
        <PageHead title={t(trash ? "files.trash.title" : "files.title")}>
          <div className="flex flex-wrap gap-2">
            {trash ? (
              <Link to="/files" className={buttonClass("soft")} data-testid="trash-close">
                <ArrowLeft />
                {t("files.title")}
              </Link>
            ) : (
              <>
                <Link to="/files/shared" className={buttonClass("ghost")} data-testid="shared-links-open">
                  <Link2 />
                  <span className="max-sm:sr-only">{t("shares.title")}</span>
                </Link>
                <Link
                  to="/files"
                  search={{ trash: true }}
                  className={buttonClass("ghost")}
                  data-testid="trash-open"
                >
                  <Trash2 />
                  {t("files.trash.title")}
                </Link>
                <Button onClick={() => setAsked({ what: "folder", folder: null })} data-testid="new-folder">
                  <FolderPlus />
                  <span className="max-sm:sr-only">{t("files.folder.new")}</span>
                </Button>
                <Button className="max-md:hidden" onClick={picking.pickFolder} data-testid="upload-folder">
                  <FolderUp />
                  {t("upload.folder")}
                </Button>
                <Button look="solid" onClick={picking.pick} data-testid="upload-open">
                  <Upload />
                  {t("upload.open")}
                </Button>
              </>
            )}
          </div>
        </PageHead>
      </div>
      {picking.inputs}
      <div className="flex flex-wrap items-start justify-between gap-x-8 gap-y-4">
        <QuotaBar />
        {trash && <TrashNote />}
      </div>
      {!trash && <UnfinishedList onChoose={picking.pick} />}
      <Toolbar />
      {isEverywhere ? <Found /> : <Crumbs path={path} />}
      {picks.length > 0 && (
        <BulkBar
          picks={picks}
          isTrash={trash}
          isBusy={change.isPending}
          onMove={() => setAsked({ what: "move", entries: picks })}
          onTrash={() => setAsked({ what: "trash", entries: picks })}
          onRestore={() => change.mutate({ action: "restore", ids: idsOf(picks) })}
          onErase={() => setAsked({ what: "erase", entries: picks })}
          onClear={() => setChosen(NONE)}
        />
      )}
      {list.isPending && (
        <div className="flex flex-col gap-2" aria-busy="true">
          <Skeleton className="h-14" />
          <Skeleton className="h-14" />
          <Skeleton className="h-14" />
          <Skeleton className="h-14" />
        </div>
      )}
      {list.isError && !list.data && <ErrorState error={list.error} onRetry={() => void list.refetch()} />}
      {list.data && entries.length === 0 && (
        <Nothing
          isTrash={trash}
          isFiltered={Boolean(q || kind || tag)}
          isRoot={path === "/"}
          onUpload={picking.pick}
        />
      )}
      {entries.length > 0 && (
        <FileList
          entries={entries}
          selection={selection}
          onSelect={setChosen}
          sort={sort}
          onSort={(by) =>
            void navigate({
              search: (old) => ({ ...old, sort: by === "name" ? undefined : by }),
              replace: true,
            })
          }
          onOpen={(file) => setShownId(file.id)}
          onAct={act}
          isTrash={trash}
          isEverywhere={isEverywhere}
        />
      )}
      <More list={list} className="self-center" />
      {!trash && <DropZone path={path} name={here} onTake={picking.take} />}
      {shown && (
        <Preview
          file={shown}
          before={openable[at - 1] ?? null}
          after={openable[at + 1] ?? null}
          onShow={(file) => setShownId(file.id)}
          onClose={() => setShownId(null)}
        />
      )}
      {asked?.what === "folder" && (
        <FolderNameDialog
          folder={asked.folder}
          within={path}
          onClose={close}
          onNamed={(to) => {
            close();
            if (!asked.folder) void navigate({ search: { path: to } });
          }}
        />
      )}
      {asked?.what === "share" && <ShareDialog thing={asked.thing} onClose={close} />}
      {asked?.what === "details" && <DetailsDialog file={asked.file} onClose={close} />}
      {asked?.what === "versions" && (
        <VersionsDialog file={items.find(({ id }) => id === asked.file.id) ?? asked.file} onClose={close} />
      )}
      {asked?.what === "move" && (
        <MoveDialog
          count={asked.entries.length}
          from={isEverywhere ? (asked.entries[0]?.file?.path ?? "/") : path}
          moved={foldersOf(asked.entries)}
          isBusy={change.isPending}
          onClose={close}
          onMove={(to) =>
            change.mutate({
              action: "move",
              ids: idsOf(asked.entries),
              folders: foldersOf(asked.entries),
              path: to,
            })
          }
        />
      )}
      <ConfirmDialog
        isOpen={asked?.what === "trash"}
        onClose={close}
        onConfirm={() =>
          asked?.what === "trash" &&
          change.mutate({ action: "trash", ids: idsOf(asked.entries), folders: foldersOf(asked.entries) })
        }
        isBusy={change.isPending}
        title={
          doomed.length === 1
            ? t("files.trash.ask_named", { name: doomed[0]?.name ?? "" })
            : t("files.trash.ask", { count: doomed.length })
        }
        description={t("files.trash.ask_text")}
        confirmLabel={t("files.act.trash")}
        testId="trash-confirm"
      />
      <ConfirmDialog
        isOpen={asked?.what === "erase"}
        onClose={close}
        onConfirm={() =>
          asked?.what === "erase" && change.mutate({ action: "erase", ids: idsOf(asked.entries) })
        }
        isBusy={change.isPending}
        title={
          doomed.length === 1
            ? t("files.erase.ask_named", { name: doomed[0]?.name ?? "" })
            : t("files.erase.ask", { count: doomed.length })
        }
        description={t("files.erase.ask_text")}
        confirmLabel={t("files.act.erase")}
        testId="erase-confirm"
      />
    </div>
  );
}

/** What a link to an entry opens: a video's is its recording, if the file itself is not served. */
function thingOf({ file, folder, name }: Entry): Thing {
  if (folder) return { kind: "folder", path: folder.path, name };
  return file.vod_id && !file.url
    ? { kind: "vod", id: file.vod_id, name }
    : { kind: "file", id: file.id, name };
}

const idsOf = (entries: readonly Entry[]) => entries.flatMap(({ file }) => (file ? [file.id] : []));
const foldersOf = (entries: readonly Entry[]) =>
  entries.flatMap(({ folder }) => (folder ? [folder.path] : []));

/** Choosing files, and what is said of those that cannot go. */
function useUploading(path: string) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const some = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  useEffect(() => {
    // React knows no such attribute.
    folder.current?.setAttribute("webkitdirectory", "");
  }, []);
  const takeAll = async (chosen: Chosen[]) => {
    if (chosen.length === 0) return;
    try {
      // Offline a question would wait for the line; what was known last serves until the server is asked itself.
      const isOnline = onlineManager.isOnline();
      const lastKnown = client.getQueryData(limits().queryKey);
      const known =
        !isOnline && lastKnown ? lastKnown : await client.fetchQuery({ ...limits(), staleTime: 0 });
      const begun = isOnline
        ? await client.fetchQuery({ ...unfinished(), staleTime: 15_000 }).catch(() => [])
        : (client.getQueryData(unfinished().queryKey) ?? []);
      const refused = take(chosen, known, begun);
      for (const { name, error } of refused.slice(0, REFUSED_SHOWN)) {
        toast({ kind: "error", title: t("upload.refused", { name }), text: errorText(t, error) });
      }
      if (refused.length > REFUSED_SHOWN) {
        toast({ kind: "error", title: t("upload.refused_more", { count: refused.length - REFUSED_SHOWN }) });
      }
    } catch (error) {
      toast({ kind: "error", title: errorText(t, error) });
    }
  };
  const input = (ref: typeof some, testId: string) => (
    <input
      ref={ref}
      type="file"
      multiple
      hidden
      onChange={({ currentTarget }) => {
        void takeAll(picked(currentTarget.files ?? [], path));
        // The same ones can be chosen again.
        currentTarget.value = "";
      }}
      data-testid={testId}
    />
  );
  return {
    take: (chosen: Chosen[]) => void takeAll(chosen),
    pick: () => some.current?.click(),
    pickFolder: () => folder.current?.click(),
    inputs: (
      <>
        {input(some, "upload-input")}
        {input(folder, "upload-folder-input")}
      </>
    ),
  };
}
