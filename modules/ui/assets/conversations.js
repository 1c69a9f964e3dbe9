// Past conversations in the side bar.

import { FolderedEntries } from "./entry_folders.js";
import { ExportDialog } from "./exports.js";

export function conversationList(shared) {
  const dialog = new ExportDialog("conversations");
  const entries = new FolderedEntries({
    ...shared,
    kind: "conversation",
    words: {
      title: "Conversations",
      search: "Search conversations",
      create: "New chat",
      none: "Your conversations will be here.",
    },
    actions: {
      list: "chat_list",
      rename: "chat_rename",
      move: "chat_move",
      moveFolder: "chat_move_folder",
      delete: "chat_delete",
      restore: "chat_restore",
    },
    keptUnder: "folded-conversations",
    deeds: (one) => [{ shape: "download", text: "Save as a file", label: `Save ${one.title} as a file`, act: () => dialog.open(one) }],
  });
  entries.list.node.append(dialog.node);
  return entries;
}
