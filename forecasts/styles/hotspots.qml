<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22.16" styleCategories="Symbology|Labeling|MapTips|Rendering|Temporal" labelsEnabled="1" hasScaleBasedVisibilityFlag="0">
$temporal
  <renderer-v2 type="RuleRenderer" symbollevels="0" enableorderby="0" forceraster="0" referencescale="-1">
    <rules key="{all-targets}">
$rules    </rules>
    <symbols>
$symbols    </symbols>
  </renderer-v2>
  <labeling type="rule-based">
    <rules key="{labels}">
      <rule key="{best}" description="the best of $target" filter="&quot;target&quot; = '$target' and &quot;rank&quot; &lt;= $labelled">
        <settings calloutType="simple">
          <text-style fieldName="name" isExpression="0" fontSize="8" fontSizeUnit="Point" textColor="34,34,34,255" textOpacity="1">
            <text-buffer bufferDraw="1" bufferSize="0.8" bufferSizeUnits="MM" bufferColor="255,255,255,255" bufferOpacity="1" bufferNoFill="1" bufferJoinStyle="128"/>
          </text-style>
          <text-format wrapChar="" autoWrapLength="24" useMaxLineLengthForAutoWrap="1" multilineAlign="1"/>
          <placement placement="1" quadOffset="4" centroidInside="1" centroidWhole="0" fitInPolygonOnly="0" dist="0" distUnits="MM" layerType="PolygonGeometry" polygonPlacementFlags="3"/>
          <rendering drawLabels="1" obstacle="0" displayAll="0" labelPerPart="0" scaleVisibility="0"/>
        </settings>
      </rule>
    </rules>
  </labeling>
  <blendMode>0</blendMode>
  <featureBlendMode>0</featureBlendMode>
  <layerOpacity>1</layerOpacity>
  <mapTip>&lt;b>[% "label" %]&lt;/b>&lt;br>
[% "valid_local" %], baseline [% round("baseline", 2) %], [% round("area_km2", 2) %] km²&lt;br>
run [% "run_id" %]</mapTip>
  <layerGeometryType>2</layerGeometryType>
</qgis>
