<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22.16" styleCategories="Symbology|MapTips|Rendering|Temporal" hasScaleBasedVisibilityFlag="0">
$temporal
  <renderer-v2 type="graduatedSymbol" attr="${target}_probability" graduatedMethod="GraduatedColor" symbollevels="0" enableorderby="0" forceraster="0" referencescale="-1">
    <ranges>
$ranges
    </ranges>
    <symbols>
$symbols    </symbols>
    <classificationMethod id="Custom">
      <symmetricMode enabled="0" astride="0" symmetrypoint="0"/>
      <labelFormat format="%1 - %2" labelprecision="4" trimtrailingzeroes="1"/>
      <parameters>
        <Option/>
      </parameters>
      <extraInformation/>
    </classificationMethod>
    <rotation/>
    <sizescale/>
  </renderer-v2>
  <blendMode>0</blendMode>
  <featureBlendMode>0</featureBlendMode>
  <layerOpacity>0.8</layerOpacity>
  <mapTip>&lt;b>[% "valid_local" %]&lt;/b>&lt;br>
$target: [% round(100 * "${target}_probability", 2) %] % probability of an incident&lt;br>
[% round("${target}_expected", 4) %] expected (90 %: [% "${target}_low" %] to [% "${target}_high" %]), baseline [% round("${target}_baseline", 4) %]&lt;br>
cell [% "hex_id" %], run [% "run_id" %]&lt;br>[% "model" %]</mapTip>
  <layerGeometryType>2</layerGeometryType>
</qgis>
