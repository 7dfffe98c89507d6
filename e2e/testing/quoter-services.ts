// The quoter's services by the names that people type.

export const command = "quoter.command.v1.QuoteCommandService";
export const queryV1 = "quoter.query.v1.QuoteQueryService";
export const queryV2 = "quoter.query.v2.QuoteQueryService";
