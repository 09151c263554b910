/** Where the operator interface stands. Apart from it, because every request is asked about and few need the rest. */
export const operatorPath = "/celestite/";
