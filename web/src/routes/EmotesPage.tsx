// The emotes of one's own channel: added, called something else, taken away.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ArrowLeft, ImagePlus, Pencil, Trash2 } from "lucide-react";
import { type DragEvent, type FormEvent, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { User } from "@/api/types";
import { EmoteImage } from "@/features/emotes/EmoteImage";
import {
  addEmote,
  channelEmotes,
  type Emote,
  FILE_BYTES_MAX,
  FILE_TYPES,
  NAME_CHARS_MAX,
  nameFault,
  nameOf,
  OWN_MAX,
  removeEmote,
  renameEmote,
} from "@/features/emotes/emotes";
import { Panel } from "@/features/studio/Panel";
import { errorText } from "@/i18n/errorText";
import { cx } from "@/lib/cx";
import { PageHead } from "@/shell/PageHead";
import { Empty, ErrorState, Skeleton } from "@/ui/bits";
import { Button, buttonClass } from "@/ui/button";
import { ConfirmDialog, Dialog } from "@/ui/dialog";
import { TextField } from "@/ui/field";
import { toast } from "@/ui/toast";
import { RequireUser } from "./RequireUser";

export function EmotesPage() {
  return <RequireUser>{(user) => <Emotes user={user} />}</RequireUser>;
}

function Emotes({ user }: { user: User }) {
  const { t } = useTranslation();
  const query = useQuery(channelEmotes(user.username));
  const [renamed, setRenamed] = useState<Emote | null>(null);
  const [removed, setRemoved] = useState<Emote | null>(null);
  const own = query.data?.items ?? [];
  return (
    <div className="container-page flex max-w-[980px] flex-col gap-6 pt-8">
      <div className="-mb-4">
        <PageHead title={t("emotes.title")}>
          <Link to="/studio" className={buttonClass("soft", "s")}>
            <ArrowLeft />
            {t("nav.studio")}
          </Link>
        </PageHead>
        <p className="-mt-4 mb-4 max-w-prose text-soft">{t("emotes.lead")}</p>
      </div>
      {query.isPending && <Skeleton className="h-72" />}
      {query.isError && !query.data && (
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      )}
      {query.data && (
        <>
          <Add user={user} own={own} />
          <Panel
            title={t("emotes.own")}
            action={
              <span className="tabular text-faint text-sm" data-testid="emote-count" data-count={own.length}>
                {t("emotes.count", { count: own.length, max: OWN_MAX })}
              </span>
            }
          >
            {own.length === 0 && <Empty title={t("emotes.none")}>{t("emotes.none_text")}</Empty>}
            <ul className="grid grid-cols-[repeat(auto-fill,minmax(min(100%,250px),1fr))] gap-2">
              {own.map((emote) => (
                <li
                  key={emote.id}
                  data-testid="own-emote"
                  data-name={emote.name}
                  className="flex items-center gap-3 rounded-md border border-line bg-raised py-2 pr-2 pl-3"
                >
                  <EmoteImage url={emote.url} name={emote.name} isDecoration className="size-10 shrink-0" />
                  <span className="min-w-0 flex-1 truncate font-mono text-sm">:{emote.name}:</span>
                  <Button
                    look="ghost"
                    size="icon-s"
                    onClick={() => setRenamed(emote)}
                    aria-label={t("emotes.rename_named", { name: emote.name })}
                    data-testid="emote-rename"
                  >
                    <Pencil />
                  </Button>
                  <Button
                    look="ghost"
                    size="icon-s"
                    onClick={() => setRemoved(emote)}
                    aria-label={t("emotes.remove_named", { name: emote.name })}
                    data-testid="emote-remove"
                  >
                    <Trash2 />
                  </Button>
                </li>
              ))}
            </ul>
          </Panel>
        </>
      )}
      {renamed && (
        <Rename key={renamed.id} user={user} emote={renamed} own={own} onClose={() => setRenamed(null)} />
      )}
      {removed && <Remove key={removed.id} user={user} emote={removed} onClose={() => setRemoved(null)} />}
    </div>
  );
}

/** A file is chosen or dropped, seen as it will be, named, and sent. */
function Add({ user, own }: { user: User; own: Emote[] }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const input = useRef<HTMLInputElement>(null);
  const [file, setFile] = useState<File | null>(null);
  const [picture, setPicture] = useState<string | null>(null);
  const [name, setName] = useState("");
  const [share, setShare] = useState(0);
  const [isOver, setOver] = useState(false);
  const [fault, setFault] = useState<"type" | "size" | null>(null);
  useEffect(() => {
    if (!file) return;
    const url = URL.createObjectURL(file);
    setPicture(url);
    return () => {
      URL.revokeObjectURL(url);
      setPicture(null);
    };
  }, [file]);
  const add = useMutation({
    mutationFn: ({ name, file }: { name: string; file: File }) => addEmote(name, file, setShare),
    onSuccess: (emote) => {
      toast({ kind: "good", title: t("emotes.added", { name: emote.name }) });
      setFile(null);
      setName("");
      setShare(0);
      if (input.current) input.current.value = "";
    },
    onSettled: () => client.invalidateQueries(channelEmotes(user.username)),
  });
  const choose = (chosen: File | undefined) => {
    if (!chosen || add.isPending) return;
    add.reset();
    const wrong = !FILE_TYPES.includes(chosen.type) ? "type" : chosen.size > FILE_BYTES_MAX ? "size" : null;
    setFault(wrong);
    setFile(wrong ? null : chosen);
    if (!wrong && !name) setName(nameOf(chosen.name));
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    choose(event.dataTransfer.files[0]);
  };
  const wrong = name ? nameFault(name, own) : null;
  const isFull = own.length >= OWN_MAX;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (file && name && !wrong && !add.isPending) add.mutate({ name, file });
  };
  return (
    <Panel title={t("emotes.add")}>
      <form onSubmit={submit} className="grid gap-5 @2xl:grid-cols-2" data-testid="emote-form">
        <label
          onDragOver={(event) => {
            event.preventDefault();
            setOver(true);
          }}
          onDragLeave={() => setOver(false)}
          onDrop={drop}
          className={cx(
            "flex min-h-40 cursor-pointer flex-col items-center justify-center gap-3 rounded-md border-2 border-dashed p-4 text-center focus-within:border-melt",
            isOver ? "border-melt bg-melt-wash" : "border-line-strong/70 hover:border-line-strong",
          )}
        >
          <input
            ref={input}
            type="file"
            accept={FILE_TYPES.join(",")}
            onChange={(event) => choose(event.target.files?.[0])}
            aria-describedby="emote-file-hint"
            className="sr-only"
            data-testid="emote-file"
          />
          {picture ? (
            <span className="flex items-end gap-4" data-testid="emote-preview">
              {[112, 56, 28].map((side) => (
                <img
                  key={side}
                  src={picture}
                  alt=""
                  className="object-contain"
                  style={{ width: side, height: side }}
                />
              ))}
            </span>
          ) : (
            <ImagePlus className="size-8 text-melt" aria-hidden="true" />
          )}
          <span className="font-semibold">{file ? t("emotes.file_again") : t("emotes.file")}</span>
          <span id="emote-file-hint" className="text-faint text-sm">
            {t("emotes.file_hint")}
          </span>
        </label>
        <div className="flex flex-col gap-4">
          <TextField
            label={t("emotes.name")}
            hint={t("emotes.name_hint")}
            value={name}
            onChange={(event) => setName(event.target.value)}
            maxLength={NAME_CHARS_MAX}
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            required
            error={wrong ? t(`emotes.${wrong}`) : null}
            data-testid="emote-name"
          />
          {fault && (
            <p role="alert" className="text-danger text-sm" data-testid="emote-fault">
              {t(`emotes.fault_${fault}`)}
            </p>
          )}
          {add.isError && (
            <p role="alert" className="text-danger text-sm" data-testid="emote-error">
              {errorText(t, add.error)}
            </p>
          )}
          {isFull && <p className="text-soft text-sm">{t("emotes.full", { max: OWN_MAX })}</p>}
          {add.isPending && (
            <progress
              value={share}
              max={1}
              aria-label={t("emotes.sending")}
              className="h-2 w-full accent-[var(--melt)]"
            />
          )}
          <Button
            type="submit"
            look="solid"
            className="self-start"
            isBusy={add.isPending}
            disabled={!file || !name || wrong !== null || isFull}
            data-testid="emote-add"
          >
            {t("emotes.add")}
          </Button>
        </div>
      </form>
    </Panel>
  );
}

function Rename({
  user,
  emote,
  own,
  onClose,
}: {
  user: User;
  emote: Emote;
  own: Emote[];
  onClose: () => void;
}) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [name, setName] = useState(emote.name);
  const save = useMutation({
    mutationFn: () => renameEmote(emote.id, name),
    onSuccess: onClose,
    onSettled: () => client.invalidateQueries(channelEmotes(user.username)),
  });
  const wrong = nameFault(name, own, emote.id);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name === emote.name) onClose();
    else if (!wrong && !save.isPending) save.mutate();
  };
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={t("emotes.rename_named", { name: emote.name })}
      description={t("emotes.rename_text")}
    >
      <form onSubmit={submit} className="flex flex-col gap-4">
        <TextField
          label={t("emotes.name")}
          value={name}
          onChange={(event) => setName(event.target.value)}
          maxLength={NAME_CHARS_MAX}
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          required
          error={save.isError ? errorText(t, save.error) : wrong ? t(`emotes.${wrong}`) : null}
          data-testid="emote-new-name"
        />
        <div className="flex justify-end gap-2">
          <Button look="ghost" onClick={onClose}>
            {t("actions.cancel")}
          </Button>
          <Button
            type="submit"
            look="solid"
            isBusy={save.isPending}
            disabled={wrong !== null}
            data-testid="emote-save"
          >
            {t("actions.save")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function Remove({ user, emote, onClose }: { user: User; emote: Emote; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const remove = useMutation({
    mutationFn: () => removeEmote(emote.id),
    onSuccess: onClose,
    onError: (error) => toast({ kind: "error", title: errorText(t, error) }),
    onSettled: () => client.invalidateQueries(channelEmotes(user.username)),
  });
  return (
    <ConfirmDialog
      isOpen
      onClose={onClose}
      onConfirm={() => remove.mutate()}
      isBusy={remove.isPending}
      title={t("emotes.remove_named", { name: emote.name })}
      description={t("emotes.remove_text")}
      confirmLabel={t("actions.delete")}
      testId="emote-remove-confirm"
    />
  );
}
