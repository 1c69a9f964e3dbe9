// Documents in the side bar.

import { FolderedEntries } from "./entry_folders.js";

export function documentList(shared) {
  return new FolderedEntries({
    ...shared,
    kind: "document",
    words: {
      title: "Documents",
      search: "Search documents",
      create: "New document",
      none: "Your documents will be here.",
    },
    actions: {
      list: "notebook_list",
      rename: "notebook_rename",
      move: "notebook_move",
      moveFolder: "notebook_move_folder",
      delete: "notebook_delete",
      restore: "notebook_restore",
    },
    keptUnder: "folded-folders",
  });
}
