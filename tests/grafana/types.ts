// The types of a dashboard as JSON has them: an enumeration by its values, and without the methods of the SDK.
import type * as barchart from "@grafana/grafana-foundation-sdk/barchart";
import type * as bargauge from "@grafana/grafana-foundation-sdk/bargauge";
import type * as bigquery from "@grafana/grafana-foundation-sdk/bigquery";
import type * as sdk from "@grafana/grafana-foundation-sdk/dashboard";
import type * as shared from "@grafana/grafana-foundation-sdk/datasource";
import type * as stat from "@grafana/grafana-foundation-sdk/stat";
import type * as table from "@grafana/grafana-foundation-sdk/table";
import type * as timeseries from "@grafana/grafana-foundation-sdk/timeseries";
import type * as schema from "@grafana/schema";

type Values<T> = T extends string
  ? `${T}`
  : T extends number | boolean | null | undefined
    ? T
    : T extends (infer Item)[]
      ? Values<Item>[]
      : { [Key in keyof T as T[Key] extends (...values: never[]) => unknown ? never : Key]: Values<T[Key]> };
/** Grafana fills in what is left out. */
type Part<T> = T extends object ? { [Key in keyof T]?: Part<T[Key]> } : T;

/** The schema knows the fields that queries of all data sources have; those of an annotation are of this one. */
type Annotation = schema.AnnotationQuery<schema.DataQuery & Omit<bigquery.Dataquery, keyof schema.DataQuery>>;
export type SchemaDashboard = Values<Omit<schema.Dashboard, "annotations"> & { annotations: { list: Annotation[] } }>;
export type SdkDashboard = Values<sdk.Dashboard>;
export type Query = Values<bigquery.Dataquery>;
export type SharedRows = Values<shared.Dataquery>;

export type Options = {
  stat: Part<Values<stat.Options>>;
  bargauge: Part<Values<bargauge.Options>>;
  table: Part<Values<table.Options>>;
  timeseries: Part<Values<timeseries.Options>>;
  barchart: Part<Values<barchart.Options>>;
};
export type Style = {
  stat: never;
  bargauge: never;
  table: Part<Values<table.FieldConfig>>;
  timeseries: Part<Values<timeseries.FieldConfig>>;
  barchart: Part<Values<barchart.FieldConfig>>;
};
