// Past conversations in the side bar, by the day of their last message.

import { iconButton } from "./dom.js";
import { EntryList, heading } from "./entries.js";
import { ExportDialog } from "./exports.js";

const DAY_SECONDS = 86400;

export function conversationList(shared) {
  const dialog = new ExportDialog("conversations");
  const list = new EntryList({
    ...shared,
    kind: "conversation",
    words: {
      title: "Conversations",
      search: "Search conversations",
      create: "New chat",
      none: "Your conversations will be here.",
    },
    actions: { list: "chat_list", rename: "chat_rename", delete: "chat_delete", restore: "chat_restore" },
    arrange: byDay,
    rowButtons: (one) => [iconButton("download", `Save ${one.title} as a file`, () => dialog.open(one), "row-action save")],
  });
  list.node.append(dialog.node);
  return list;
}

// `entries` come newest first.
export function byDay(entries) {
  const days = Map.groupBy(entries, (one) => dayName(one.updated));
  return [...days].map(([name, members]) => [heading(name), members]);
}

function dayName(seconds) {
  const midnight = new Date();
  midnight.setHours(0, 0, 0, 0);
  const today = midnight.getTime() / 1000;
  if (seconds >= today) return "Today";
  if (seconds >= today - DAY_SECONDS) return "Yesterday";
  return "Earlier";
}
