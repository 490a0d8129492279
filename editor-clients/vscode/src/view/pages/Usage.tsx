export function Usage() { return <p/>; }
