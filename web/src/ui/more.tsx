import type { ComponentProps } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "./button";

type Props = Pick<ComponentProps<typeof Button>, "size" | "look"> & {
  list: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown };
  /** Where it stands. */
  className?: string;
};

/** Asks for the next page of a list, where there is one. */
export function More({ list, className = "flex justify-center", ...look }: Props) {
  const { t } = useTranslation();
  if (!list.hasNextPage) return null;
  return (
    <div className={className}>
      <Button {...look} onClick={() => void list.fetchNextPage()} isBusy={list.isFetchingNextPage}>
        {t("actions.more")}
      </Button>
    </div>
  );
}
