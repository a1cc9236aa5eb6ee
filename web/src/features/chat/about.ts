// What a report out of a chat is about: a line, or who said it.
import type { TFunction } from "i18next";
import type { ChatMessage } from "@/api/types";
import type { Choice } from "@/features/report/ReportDialog";

export function aboutOf(
  t: TFunction,
  message: ChatMessage,
  channel: string,
  isMember = false,
): { choices: Choice[]; title: string; excerpt?: string } {
  const { username, display_name: name } = message.user;
  if (isMember)
    return {
      choices: [{ value: "member", label: "", about: { username } }],
      title: t("report.named", { name }),
    };
  return {
    choices: [{ value: "line", label: "", about: { message_id: message.id, channel } }],
    title: t("report.line_by", { name }),
    excerpt: message.text,
  };
}
