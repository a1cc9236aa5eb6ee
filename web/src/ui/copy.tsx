import { Check, Copy } from "lucide-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "./button";
import { toast } from "./toast";

/** Copies, also on plain-http pages where the clipboard API is missing. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard && window.isSecureContext) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.setAttribute("readonly", "");
  area.style.position = "fixed";
  area.style.opacity = "0";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("copy was refused");
}

export function CopyButton({
  text,
  label,
  testId,
  isIconOnly = false,
}: {
  text: string;
  label: string;
  testId?: string;
  isIconOnly?: boolean;
}) {
  const { t } = useTranslation();
  const [isDone, setDone] = useState(false);
  useEffect(() => {
    if (!isDone) return;
    const timer = setTimeout(() => setDone(false), 2_000);
    return () => clearTimeout(timer);
  }, [isDone]);
  const copy = async () => {
    try {
      await copyText(text);
      setDone(true);
    } catch {
      toast({ kind: "error", title: t("copy.failed") });
    }
  };
  return (
    <>
      <Button
        look="soft"
        size={isIconOnly ? "icon" : "s"}
        onClick={copy}
        data-testid={testId}
        aria-label={isIconOnly ? label : undefined}
        title={isIconOnly ? label : undefined}
      >
        {isDone ? <Check className="text-good" /> : <Copy />}
        {!isIconOnly && (isDone ? t("copy.done") : label)}
      </Button>
      <span role="status" className="sr-only">
        {isDone ? t("copy.done") : ""}
      </span>
    </>
  );
}
