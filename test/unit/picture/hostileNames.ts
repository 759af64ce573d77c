import fc from 'fast-check'

/** What a name of a service must not do to a picture or a file. */
export const hostileNames = [
  `'; drop--`,
  '</text><script>alert(1)</script>',
  '"',
  '\\N\\G\\',
  '\\"',
  'a\\',
  '<b>x</b>',
  '&lt;&amp;&#60;',
  '#35;',
  '🦊',
  'a\u0000\u0007b',
  '\ud800',
  'x'.repeat(10_000),
  ' ',
  '',
  'v0:port',
  'a --> b',
  ']]>',
  '"]; end',
  '%%{init: {"theme":"dark"}}%%',
  '`md **x**`',
  '1. one',
  '- dash',
  '__init__',
  'end',
  'line\nbreak',
  '---',
  '|x|{y}(z)[w]',
  '__proto__',
  'www.example.com',
]

/** One of them, or any text. */
export const anyName = fc.oneof(fc.constantFrom(...hostileNames), fc.string({ unit: 'binary', maxLength: 20 }))
