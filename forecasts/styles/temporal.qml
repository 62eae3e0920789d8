  <temporal enabled="1" mode="$mode" limitMode="0" startField="valid_start" endField="valid_end" accumulate="0" fixedDuration="0" durationField="" durationUnit="h" startExpression="$start" endExpression="$end">
    <fixedRange>
      <start></start>
      <end></end>
    </fixedRange>
  </temporal>
