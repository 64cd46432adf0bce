// Where `npm start` runs the edge, and the token that opens its operator API there: nobody beyond this machine gets to it,
// and no web page can send it.

export const DEV_EDGE = 'http://127.0.0.1:8787'
/** When FOURSEVEN_OPERATOR_TOKEN is not set. */
export const DEV_TOKEN = 'fourseven-dev'
