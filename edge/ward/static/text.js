// Sets a node's text if it differs, so that an unchanged text is neither drawn nor announced again.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
