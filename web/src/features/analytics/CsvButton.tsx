import { useMutation } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { useTranslation } from "react-i18next";
import { errorText } from "@/i18n/errorText";
import { Button } from "@/ui/button";
import { toast } from "@/ui/toast";

/** Asks for a table and hands it to the browser as a file: the token is not in any address. */
export function CsvButton({ label, name, ask }: { label: string; name: string; ask: () => Promise<string> }) {
  const { t } = useTranslation();
  const save = useMutation({
    mutationFn: ask,
    onSuccess: (text) => {
      const address = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
      const link = document.createElement("a");
      link.href = address;
      link.download = `${name}.csv`;
      document.body.append(link);
      link.click();
      link.remove();
      // Once the browser has taken it.
      setTimeout(() => URL.revokeObjectURL(address), 60_000);
    },
    onError: (error) => toast({ kind: "error", title: t("analytics.csv_failed"), text: errorText(t, error) }),
  });
  return (
    <Button
      size="s"
      isBusy={save.isPending}
      onClick={() => save.mutate()}
      aria-label={label}
      data-testid={`csv-${name}`}
    >
      <Download />
      {t("analytics.csv")}
    </Button>
  );
}
