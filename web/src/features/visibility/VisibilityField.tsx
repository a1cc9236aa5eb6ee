import { useTranslation } from "react-i18next";
import type { Visibility } from "@/api/types";
import { SelectField } from "@/ui/field";

const ALL: Visibility[] = ["public", "unlisted", "followers", "private"];

/** Whom a stream or a recording is for, with what that means. */
export function VisibilityField({
  value,
  onChange,
  error,
}: {
  value: Visibility;
  onChange: (value: Visibility) => void;
  error?: string | null;
}) {
  const { t } = useTranslation();
  return (
    <SelectField
      label={t("visibility.label")}
      hint={t(`visibility.${value}.text`)}
      value={value}
      onChange={(event) => onChange(ALL.find((one) => one === event.target.value) ?? "public")}
      error={error ?? null}
      data-testid="visibility"
    >
      {ALL.map((one) => (
        <option key={one} value={one}>
          {t(`visibility.${one}.name`)}
        </option>
      ))}
    </SelectField>
  );
}
