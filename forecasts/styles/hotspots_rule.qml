      <rule key="{$target}" label="$target" filter="&quot;target&quot; = '$target'" checkstate="$shown">
$ranks
      </rule>
