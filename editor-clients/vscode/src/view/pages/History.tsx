export function History() { return <p/>; }
