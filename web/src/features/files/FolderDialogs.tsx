import { useQuery } from "@tanstack/react-query";
import { ChevronRight, CornerLeftUp, Folder as FolderIcon } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { errorText } from "@/i18n/errorText";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { TextField } from "@/ui/field";
import { type Folder, foldersIn, renameFolder } from "./api";
import { nameFault, parentOf } from "./paths";
import { useFileChange } from "./useChanges";

/** Asks for a folder's name. A new one is only an address until something lies in it. */
export function FolderNameDialog({
  folder,
  within,
  onClose,
  onNamed,
}: {
  /** The one that gets another name; a new one without it. */
  folder: Folder | null;
  within: string;
  onClose: () => void;
  onNamed: (path: string) => void;
}) {
  const { t } = useTranslation();
  const [name, setName] = useState(folder?.name ?? "");
  const [isTried, setTried] = useState(false);
  const parent = folder ? parentOf(folder.path) : within;
  const path = `${parent}${name.trim()}/`;
  const rename = useFileChange(
    (to: string) => renameFolder(folder?.path ?? "", to),
    () => onNamed(path),
  );
  const wrong = nameFault(name);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (wrong) return;
    if (!folder) onNamed(path);
    else if (folder.name === name.trim()) onClose();
    else rename.mutate(path);
  };
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={folder ? t("files.folder.rename", { name: folder.name }) : t("files.folder.new")}
      description={folder ? undefined : t("files.folder.new_text")}
    >
      <form onSubmit={submit} className="flex flex-col gap-4">
        <TextField
          label={t("files.folder.name")}
          value={name}
          onChange={(event) => setName(event.target.value)}
          error={
            rename.isError
              ? errorText(t, rename.error)
              : isTried && wrong
                ? t(`files.name_fault.${wrong}`)
                : null
          }
          autoComplete="off"
          required
          data-testid="folder-name"
        />
        <div className="flex justify-end gap-2">
          <Button look="ghost" onClick={onClose}>
            {t("actions.cancel")}
          </Button>
          <Button type="submit" look="solid" isBusy={rename.isPending} data-testid="folder-save">
            {folder ? t("actions.save") : t("files.folder.open")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

/** Chooses where something goes. */
export function MoveDialog({
  count,
  from,
  moved,
  isBusy,
  onClose,
  onMove,
}: {
  /** How many things are moved. */
  count: number;
  from: string;
  /** Folders that are moved: nothing goes into itself. */
  moved: readonly string[];
  isBusy: boolean;
  onClose: () => void;
  onMove: (path: string) => void;
}) {
  const { t } = useTranslation();
  const [path, setPath] = useState(from);
  const [fresh, setFresh] = useState("");
  const folders = useQuery(foldersIn(path));
  const row =
    "flex h-11 w-full items-center gap-3 px-4 text-left hover:bg-raised [&_svg]:size-[18px] [&_svg]:shrink-0";
  const wrong = fresh.trim() === "" ? null : nameFault(fresh);
  const to = fresh.trim() === "" ? path : `${path}${fresh.trim()}/`;
  const choices = folders.data?.filter((folder) => !moved.includes(folder.path)) ?? [];
  return (
    <Dialog isOpen onClose={onClose} title={t("files.move.title", { count })}>
      <p className="-mt-2 text-soft" role="status" data-testid="move-to" data-path={path}>
        {t("files.move.to", { path: path === "/" ? t("files.root") : path.slice(1, -1) })}
      </p>
      <div className="max-h-64 min-h-32 shrink-0 overflow-y-auto rounded-md border border-line bg-field">
        {path !== "/" && (
          <button
            type="button"
            className={`${row} text-soft`}
            onClick={() => setPath(parentOf(path))}
            data-testid="move-up"
          >
            <CornerLeftUp aria-hidden="true" />
            {t("files.move.up")}
          </button>
        )}
        {folders.isPending && <Skeleton className="m-3 h-11" />}
        {folders.isError && <ErrorState error={folders.error} onRetry={() => void folders.refetch()} />}
        {folders.data && choices.length === 0 && (
          <p className="px-4 py-3 text-faint text-sm">{t("files.move.none")}</p>
        )}
        {choices.map((folder) => (
          <button
            key={folder.path}
            type="button"
            className={row}
            onClick={() => setPath(folder.path)}
            data-testid="move-into"
            data-path={folder.path}
          >
            <FolderIcon aria-hidden="true" className="text-melt" />
            <span className="min-w-0 flex-1 truncate">{folder.name}</span>
            <ChevronRight aria-hidden="true" className="text-faint" />
          </button>
        ))}
      </div>
      <TextField
        label={t("files.move.fresh")}
        value={fresh}
        onChange={(event) => setFresh(event.target.value)}
        error={wrong ? t(`files.name_fault.${wrong}`) : null}
        autoComplete="off"
        data-testid="move-fresh"
      />
      <div className="flex justify-end gap-2">
        <Button look="ghost" onClick={onClose}>
          {t("actions.cancel")}
        </Button>
        <Button
          look="solid"
          onClick={() => onMove(to)}
          isBusy={isBusy}
          disabled={wrong !== null || to === from}
          data-testid="move-here"
        >
          {t("files.move.here")}
        </Button>
      </div>
    </Dialog>
  );
}
