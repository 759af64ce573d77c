select "change".* from (
    with bucket as (
      select each.src, each.dst, each.candidate, each.calls, each.errors, each.timed, each.histogram from ((select "call"."src_resource_id" as "src", "call"."dst_resource_id" as "dst", (call.bucket >= $1::timestamptz and call.bucket < $2::timestamptz) as "candidate", sum(call.call_count)::float8 as "calls", sum(call.error_count)::float8 as "errors", (sum(call.call_count) filter (where coalesce(call.histogram, case when call.call_count = 1 then "public"."exp_histogram"(call.p50_ms) end) is not null))::float8 as "timed", "public"."exp_histogram_merge"(coalesce(call.histogram, case when call.call_count = 1 then "public"."exp_histogram"(call.p50_ms) end)) as "histogram" from "public"."service_call_5m" as "call" where "call"."src_resource_id" = (select given.resource_id from "public"."dim_resource" as given where given.tenant_id = $3::int8 and given.urn = $4) and "public"."require_resources"($5::int8, $6::text[]) and "call"."tenant_id" = $7 and "call"."bucket" >= $8 and "call"."bucket" < $9 and (call.bucket >= $10::timestamptz and call.bucket < $11::timestamptz or call.bucket >= $12::timestamptz and call.bucket < $13::timestamptz) group by "call"."dst_resource_id", "call"."bucket", "call"."src_resource_id")) as each
    ), swing as (
      -- How much more the baseline's buckets differ than by chance.
      select sample.src, sample.dst,
        greatest(
          coalesce(
            (4::float8 + (count(*) - 1::int8)::float8 * (var_samp(ln(sample.middle)) / nullif(avg((ln(sample.high / sample.low) / 2::float8) ^ 2::float8 + 0.010830001253373618::float8 ^ 2::float8), 0::float8))) / (4::int8 + count(*) - 1::int8)::float8,
            1::float8
          ),
          1::float8
        ) as latency,
        count(*) - 1::int8 as freedom
      from (
        select bucket.src, bucket.dst,
          nullif(found.quantile[1], 0::float8) as middle, nullif(found.quantile[2], 0::float8) as low, found.quantile[3] as high
        from bucket
        cross join lateral (select "public"."exp_histogram_quantiles"(array[bucket.histogram], array[0.95::float8, least(greatest(0.95::float8 + -0.21794494717703378::float8 / sqrt(bucket.timed), 0::float8), 1::float8), least(greatest(0.95::float8 + 0.21794494717703378::float8 / sqrt(bucket.timed), 0::float8), 1::float8)]) as quantile offset 0) as found
        where not bucket.candidate and bucket.timed >= 10::float8
      ) as sample
      where sample.middle > 0::float8 and sample.low > 0::float8
      group by sample.src, sample.dst
      having count(*) > 1::int8
    ), side as (
      select bucket.src, bucket.dst, bucket.candidate, sum(bucket.calls) as calls, sum(bucket.errors) as errors,
        sum(bucket.timed) as timed,
        "public"."exp_histogram_merge"(bucket.histogram) as histogram,
        count(*) filter (where bucket.calls > 0::float8) as buckets,
        sum(bucket.errors ^ 2::float8 / nullif(bucket.calls, 0::float8)) as squares
      from bucket
      group by bucket.src, bucket.dst, bucket.candidate
    ), measured as (
      select side.*,
        nullif(found.quantile[1], 0::float8) as ms, nullif(found.quantile[2], 0::float8) as low, nullif(found.quantile[3], 0::float8) as high,
        side.errors / nullif(side.calls, 0::float8) as ratio,
        greatest(
          coalesce(
            (4::float8 + (side.buckets - 1::int8)::float8 * (
            (side.squares - side.errors ^ 2::float8 / nullif(side.calls, 0::float8))
              / nullif(side.errors / nullif(side.calls, 0::float8) * (1::float8 - side.errors / nullif(side.calls, 0::float8)), 0::float8)
              / nullif(side.buckets - 1::int8, 0::int8)::float8)) / (4::int8 + side.buckets - 1::int8)::float8,
            1::float8
          ),
          1::float8
        ) as swing
      from side
      cross join lateral (select "public"."exp_histogram_quantiles"(array[side.histogram], array[0.95::float8, least(greatest(0.95::float8 + -0.21794494717703378::float8 / sqrt(side.timed), 0::float8), 1::float8), least(greatest(0.95::float8 + 0.21794494717703378::float8 / sqrt(side.timed), 0::float8), 1::float8)]) as quantile offset 0) as found
    ), pair as (
      select coalesce(before.src, after.src) as src, coalesce(before.dst, after.dst) as dst,
        coalesce(before.calls, 0::float8) as baseline_calls, coalesce(after.calls, 0::float8) as candidate_calls,
        least(before.calls, after.calls) >= 50::float8 as enough,
        before.ms as baseline_ms, after.ms as candidate_ms,
        after.ms / before.ms as ratio,
        case when least(before.timed, after.timed) >= 50::float8 then "public"."student_t_width"(0.99::float8, 2.5758293035489::float8, (coalesce(swing.freedom, 0::int8) + 4::int8)::float8) * sqrt(
          coalesce(swing.latency, 1::float8)
            * ((ln(before.high / before.low) / 2::float8) ^ 2::float8 + (ln(after.high / after.low) / 2::float8) ^ 2::float8)
            + 2::float8 * 0.010830001253373618::float8 ^ 2::float8
        ) end as latency_width,
        before.ratio as baseline_err_rate, after.ratio as candidate_err_rate,
        before.calls / before.swing as baseline_weight,
        after.calls / before.swing as candidate_weight,
        "public"."student_t_width"(0.99::float8, 2.5758293035489::float8, (coalesce(before.buckets - 1::int8, 0::int8) + 4::int8)::float8) as error_width
      from (select * from measured where not measured.candidate) as before
      full join (select * from measured where measured.candidate) as after
        on after.dst = before.dst and after.src is not distinct from before.src
      -- Each of these has a row before. A full join, as above: one by one they would be compared
      -- with each other where the planner expects few.
      full join swing on swing.dst = before.dst and swing.src is not distinct from before.src
    ), bounded as (
      select pair.*,
        pair.ratio * exp(-pair.latency_width) as ratio_low,
        pair.ratio * exp(pair.latency_width) as ratio_high,
        pair.candidate_err_rate - pair.baseline_err_rate as err_rate_change,
        case when pair.enough then pair.candidate_err_rate - pair.baseline_err_rate
          - sqrt((pair.candidate_err_rate - candidate.low) ^ 2::float8 + (baseline.high - pair.baseline_err_rate) ^ 2::float8)
        end as err_rate_change_low,
        case when pair.enough then pair.candidate_err_rate - pair.baseline_err_rate
          + sqrt((candidate.high - pair.candidate_err_rate) ^ 2::float8 + (pair.baseline_err_rate - baseline.low) ^ 2::float8)
        end as err_rate_change_high
      from pair
      cross join lateral (
        select (centre.at - centre.reach) / centre.scale as low, (centre.at + centre.reach) / centre.scale as high
        from (
          select pair.baseline_err_rate + pair.error_width ^ 2::float8 / (2::float8 * nullif(pair.baseline_weight, 0::float8)) as at,
            pair.error_width * sqrt(
              pair.baseline_err_rate * (1::float8 - pair.baseline_err_rate) / nullif(pair.baseline_weight, 0::float8) + pair.error_width ^ 2::float8 / (4::float8 * nullif(pair.baseline_weight, 0::float8) ^ 2::float8)
            ) as reach,
            1::float8 + pair.error_width ^ 2::float8 / nullif(pair.baseline_weight, 0::float8) as scale
        ) as centre) as baseline
      cross join lateral (
        select (centre.at - centre.reach) / centre.scale as low, (centre.at + centre.reach) / centre.scale as high
        from (
          select pair.candidate_err_rate + pair.error_width ^ 2::float8 / (2::float8 * nullif(pair.candidate_weight, 0::float8)) as at,
            pair.error_width * sqrt(
              pair.candidate_err_rate * (1::float8 - pair.candidate_err_rate) / nullif(pair.candidate_weight, 0::float8) + pair.error_width ^ 2::float8 / (4::float8 * nullif(pair.candidate_weight, 0::float8) ^ 2::float8)
            ) as reach,
            1::float8 + pair.error_width ^ 2::float8 / nullif(pair.candidate_weight, 0::float8) as scale
        ) as centre) as candidate
    ), judged as (
      select bounded.*,
        case
          when bounded.ratio_low is null then 'unknown'
          when bounded.ratio_low > 1::float8 and bounded.ratio >= 1.2::float8 then 'slower'
          when bounded.ratio_high < 1::float8 and bounded.ratio <= 0.8333333333333334::float8 then 'faster'
          else 'same'
        end as latency_verdict,
        case
          when bounded.err_rate_change_low is null then 'unknown'
          when bounded.err_rate_change_low > 0::float8 and bounded.err_rate_change >= 0.005::float8 then 'more'
          when bounded.err_rate_change_high < 0::float8 and bounded.err_rate_change <= -0.005::float8 then 'fewer'
          else 'same'
        end as errors_verdict
      from bounded
    ), change as (
      select judged.*,
        case
          when judged.latency_verdict = 'slower' or judged.errors_verdict = 'more' then 'worse'
          when judged.latency_verdict = 'unknown' or judged.errors_verdict = 'unknown' then 'unknown'
          when judged.latency_verdict = 'faster' or judged.errors_verdict = 'fewer' then 'better'
          else 'same'
        end as verdict
      from judged
    )
    select caller.urn as src_urn, callee.urn as dst_urn, change.verdict, change.latency_verdict, change.errors_verdict, change.baseline_calls, change.candidate_calls,
      change.baseline_ms, change.candidate_ms, change.ratio, change.ratio_low, change.ratio_high, change.baseline_err_rate, change.candidate_err_rate,
      change.err_rate_change, change.err_rate_change_low, change.err_rate_change_high
    from change
    cross join lateral (select known.* from "public"."dim_resource" as known where known."resource_id" = "change"."dst" and (known.tenant_id = $14::int8) is true offset 0) as callee
    left join lateral (select known.* from "public"."dim_resource" as known where known."resource_id" = "change"."src" and (known.tenant_id = $15::int8) is true offset 0) as caller on true
    where caller.urn is not null
    order by
      case change.verdict when 'worse' then 1 when 'unknown' then 2 when 'same' then 3 else 4 end,
      greatest(abs(ln(change.ratio)), 10::float8 * abs(change.err_rate_change)) desc nulls last,
      callee.urn collate "C",
      caller.urn collate "C" nulls first
  ) as "change" where "verdict" = $16