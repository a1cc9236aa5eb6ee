import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Visibility } from "@/api/types";
import { errorText } from "@/i18n/errorText";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { SelectField, TextField } from "@/ui/field";
import { type StoredFile, updateFile } from "./api";
import { areTagsGood, nameFault, TAGS_MAX, tagsOf } from "./paths";
import { useFileChange } from "./useChanges";

const CHOICES = ["private", "unlisted", "public"] as const satisfies readonly Visibility[];

/** A file's name, its tags, and whom it is for. */
export function DetailsDialog({ file, onClose }: { file: StoredFile; onClose: () => void }) {
  const { t } = useTranslation();
  const [name, setName] = useState(file.name);
  const [tags, setTags] = useState(file.tags.join(", "));
  const [visibility, setVisibility] = useState<Visibility>(file.visibility);
  const save = useFileChange(
    () => updateFile(file.id, { name: name.trim(), tags: tagsOf(tags), visibility }),
    onClose,
  );
  const wrong = nameFault(name);
  const isOdd = !areTagsGood(tagsOf(tags));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!wrong && !isOdd && !save.isPending) save.mutate(undefined);
  };
  const told = CHOICES.find((one) => one === visibility) ?? "private";
  return (
    <Dialog isOpen onClose={onClose} title={t("files.details.title")}>
      <form onSubmit={submit} className="flex flex-col gap-4">
        <TextField
          label={t("files.details.name")}
          value={name}
          onChange={(event) => setName(event.target.value)}
          error={save.isError ? errorText(t, save.error) : wrong ? t(`files.name_fault.${wrong}`) : null}
          autoComplete="off"
          spellCheck={false}
          required
          data-testid="file-name"
        />
        <TextField
          label={t("files.details.tags")}
          hint={t("files.details.tags_hint", { count: TAGS_MAX })}
          value={tags}
          onChange={(event) => setTags(event.target.value)}
          error={isOdd ? t("files.details.tags_wrong") : null}
          autoComplete="off"
          data-testid="file-tags"
        />
        <SelectField
          label={t("files.details.visibility")}
          hint={t(`files.visibility.${told}`)}
          value={visibility}
          onChange={(event) => setVisibility(CHOICES.find((one) => one === event.target.value) ?? "private")}
          data-testid="file-visibility"
        >
          {CHOICES.map((one) => (
            <option key={one} value={one}>
              {t(`visibility.${one}.name`)}
            </option>
          ))}
        </SelectField>
        <div className="flex justify-end gap-2">
          <Button look="ghost" onClick={onClose}>
            {t("actions.cancel")}
          </Button>
          <Button type="submit" look="solid" isBusy={save.isPending} data-testid="file-save">
            {t("actions.save")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
