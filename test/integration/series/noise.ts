/** Numbers that look random and are the same in every run: a linear congruential generator, and from it normal ones (Box and Muller). */
export function noise(seed: number): () => number {
  let state = seed
  const uniform = () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return (state + 0.5) / 2_147_483_648
  }
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform())
}

/** Each value is `likeness` of the one before it and news beside: variance 1 throughout. */
export function autoregressive(likeness: number, random: () => number): () => number {
  let value = random()
  return () => (value = likeness * value + Math.sqrt(1 - likeness ** 2) * random())
}
