import { useEffect } from "react";
import { useTranslation } from "react-i18next";

/** The page's title, in the tab and for the announcer. */
export function usePage(title: string | null | undefined): void {
  const { t } = useTranslation();
  useEffect(() => {
    document.title = title ? t("app.title", { page: title }) : t("app.name");
  }, [title, t]);
}
